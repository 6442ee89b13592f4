// Structured logging: one JSON line per entry, or text on a terminal. Never log a secret, a full address or a payload. No I/O: the caller
// writes the lines.
import { printable, printableJson } from "./printable.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<
  Record<string, string | number | boolean | null | undefined | readonly (string | number)[]>
>;

/** A logger. `with` adds fields (component, partition, request id) to every later line. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  with(fields: LogFields): Log;
}

const RANK: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40 };
const COLOUR: Record<LogLevel, string> = { debug: "\x1b[2m", info: "", warn: "\x1b[33m", error: "\x1b[31m" };

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "json" | "text";
  readonly colour?: boolean;
  /** Writes one line, given without its newline. Must not throw: a full disk or a closed stdout must not stop the stream. */
  readonly write: (line: string) => void;
  readonly now: () => number;
}

/** A logger over one function, which gets each entry with all its fields. */
export function logTo(
  emit: (level: LogLevel, message: string, fields: LogFields) => void,
  bound: LogFields = {},
): Log {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) =>
    emit(level, message, { ...bound, ...fields });
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => logTo(emit, { ...bound, ...fields }),
  };
}

/** Makes a logger that writes lines at or above `level`. */
export function createLog(options: LogOptions): Log {
  const text = (time: string, level: LogLevel, message: string, fields: LogFields) => {
    const tail = Object.entries(fields).filter(([, v]) => v !== undefined).map(([k, v]) =>
      ` ${k}=${typeof v === "string" && /[\s"=]/.test(v) ? JSON.stringify(v) : v}`
    ).join("");
    // Messages and fields quote hosts, topics and errors of servers. Whatever those hold, an entry must be one line.
    const line = printable(`${time.slice(11, 23)} ${level.padEnd(5)} ${message}${tail}`);
    return options.colour && COLOUR[level] !== "" ? `${COLOUR[level]}${line}\x1b[0m` : line;
  };
  return logTo((level, message, fields) => {
    if (RANK[level] < RANK[options.level]) return;
    const time = new Date(options.now()).toISOString();
    options.write(
      options.format === "json"
        ? printableJson(JSON.stringify({ time, level, message, ...fields }))
        : text(time, level, message, fields),
    );
  });
}

/** Drops everything. */
export const silentLog: Log = logTo(() => {});
