// What the first lines of a log are: their format in words, and the nearest one where nothing can be read. No I/O.
// Reading does not depend on it: each line is read by itself. It is what people get to read.
import { DEAD_REASON_WORDS, type DeadReason } from "../../shared/dead_reasons.ts";
import { UsageError } from "../../shared/errors.ts";
import { type EventRules, readEvent } from "../read_event.ts";
import { parseEventTimeV2 } from "../event_time.ts";
import { describeValue } from "../value_shape.ts";
import { isForwardedList } from "./address_text.ts";
import { readCommonLine } from "./common.ts";
import { compileFormat, eventColumns, FormatProblem } from "./compile.ts";
import { envelopeOf, innerLine } from "./envelope.ts";
import type { LineFields } from "./fields.ts";
import { AUTO_JSON, AUTO_LINES, logFormat } from "./formats.ts";
import { reachOf, readByFormat } from "./read.ts";

/** So many lines are looked at: enough for a header and a rotation's first minutes. */
const LINES_MAX = 200;
/** A format of which a line has less than this share is not near. */
const NEAR = 0.3;

/** What the first lines of a log are. */
export interface FirstLines {
  /** Lines looked at, without blank ones and comments. */
  readonly lines: number;
  /** How many of them are events. */
  readonly events: number;
  /** Formats by name, the most frequent first, such as `combined` or `combined in syslog`; null if nothing is read. */
  readonly found: string | null;
  /** The first line that is not an event. */
  readonly unread: {
    /** From 1, blank ones counted. */
    readonly line: number;
    readonly reason: DeadReason;
    /** Position in the bytes. */
    readonly start: number;
    readonly end: number;
    /** What it is, or the format that it comes nearest to, in words. */
    readonly words: string;
  } | null;
}

/** Looks at the whole lines in `bytes`, the beginning of a log; `isWhole` where it is all of it, so that the last line needs no end. */
export function firstLines(bytes: Uint8Array, rules: EventRules, isWhole: boolean): FirstLines {
  const found = new Map<string, number>();
  let lines = 0, events = 0;
  let unread: FirstLines["unread"] = null;
  for (const { line, start, end } of linesOf(bytes, isWhole)) {
    const value = bytes.subarray(start, end);
    const read = readEvent(value, rules);
    if (read.kind === "comment") {
      const header = lenient.decode(value).trim();
      if (!hasOtherColumns(header, rules.stream.logFormat)) continue;
      const words = `its columns are others than the default ones: set FILE_FORMAT to this line, '${header}'`;
      return { lines: 1, events: 0, found: null, unread: { line, reason: "bad_line", start, end, words } };
    }
    if (++lines > LINES_MAX) {
      lines--;
      break;
    }
    if (read.kind === "dead") {
      unread ??= { line, reason: read.reason, start, end, words: wordsOf(value, read.reason) };
      continue;
    }
    events++;
    const name = formatOf(value, rules.stream.logFormat);
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  const names = [...found].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  return { lines, events, found: names.length === 0 ? null : names.join(", "), unread };
}

/** Whether the header of a W3C log names columns that the format, which knows the default ones alone, would read as others. */
function hasOtherColumns(header: string, setting: string): boolean {
  if (!header.startsWith("#Fields:") || !["auto", "iis", "cloudfront"].includes(setting)) return false;
  try {
    const columns = eventColumns(compileFormat(header));
    return !AUTO_LINES.some(({ name, format }) =>
      (name === "iis" || name === "cloudfront") && eventColumns(format) === columns
    );
  } catch (error) {
    if (error instanceof FormatProblem) return true;
    throw error;
  }
}

/** The refusal of a log of whose first lines none is an event. Its text is for the operator: it holds nothing of the lines. */
export function nothingRead(path: string, { lines, unread }: FirstLines): UsageError {
  const { line, reason, words } = unread!;
  return new UsageError(
    [`None of the first ${lines === 1 ? "line" : `${lines} lines`} of ${path} can be read. Line ${line}: ${
      DEAD_REASON_WORDS[reason]
    }; ${words}.`],
    "Set FILE_FORMAT (a name, or the server's own format string), EVENT_FIELDS for JSON, or leave the file out; see docs/log_files.md.",
    "format_unknown",
  );
}

function* linesOf(bytes: Uint8Array, isWhole: boolean): Generator<{ line: number; start: number; end: number }> {
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start);
    if (newline < 0 && !isWhole) return;
    const next = newline < 0 ? bytes.length : newline + 1;
    let end = newline < 0 ? next : newline;
    if (bytes[end - 1] === 0x0d) end--;
    if (bytes.subarray(start, end).some((byte) => byte > 0x20)) yield { line, start, end };
    start = next;
  }
}

const lenient = new TextDecoder();

/** The name of the format by which a line was read. */
function formatOf(value: Uint8Array, setting: string): string {
  const whole = lenient.decode(value).trim();
  const around = envelopeOf(whole), line = innerLine(whole);
  const name = line.startsWith("{") ? jsonName(line, setting) : columnsName(line, setting);
  return around === undefined ? name : `${name} in ${around}`;
}

/** FILE_FORMAT as it is shown: a long format string by its beginning. */
const settingName = (setting: string) => setting.length > 60 ? `${setting.slice(0, 60)}…` : setting;

function jsonName(line: string, setting: string): string {
  if (setting !== "auto" && logFormat(setting).kind === "json") return setting;
  try {
    const value = JSON.parse(line.replace(/,$/, "")) as Record<string, unknown>;
    const has = (key: string | undefined) => key !== undefined && Object.hasOwn(value, key);
    const known = AUTO_JSON.find(({ key, fields }) => has(key) && has(String(fields.event_time?.[0])));
    return known === undefined || has("event_time") ? "json" : known.name;
  } catch {
    return "json";
  }
}

function columnsName(line: string, setting: string): string {
  const format = logFormat(setting);
  if (format.kind === "line") return settingName(setting);
  const known = format.kind === "auto" ? AUTO_LINES.find(({ begins }) => begins.test(line)) : undefined;
  if (known !== undefined && readByFormat(line, known.format) !== undefined) return known.name;
  if (readCommonLine(line)?.host !== undefined) return "vhost_combined";
  return /"[ \t]+(?:\d{1,3}|-)[ \t]+(?:\d+|-)[ \t]+"/.test(line) ? "combined" : "common";
}

function wordsOf(value: Uint8Array, reason: DeadReason): string {
  const text = lenient.decode(value).trim(), line = innerLine(text);
  if (reason === "missing_host") return "say which host it is of: --host NAME (FILE_HOST), or {host} in the path";
  if (reason !== "bad_line" && reason !== "missing_event_time" && reason !== "bad_json") {
    return DEAD_REASON_WORDS[reason];
  }
  if (/^[{[]/.test(line)) return jsonWords(line, reason);
  const near = nearest(line);
  const seems = describeValue(value);
  if (near !== undefined) return `nearest format: ${near.name}${near.missing === "" ? "" : `, but ${near.missing}`}`;
  return seems === undefined ? "it resembles no format that has a name" : `it seems to be ${seems}`;
}

function jsonWords(line: string, reason: DeadReason): string {
  const seems = describeValue(new TextEncoder().encode(line));
  if (seems !== undefined) return `it is ${seems}`;
  return `nearest format: json, but ${DEAD_REASON_WORDS[reason]}`;
}

/** What the common log family has in common, in the order in which it is missed. */
const LANDMARKS: readonly (readonly [pattern: RegExp, missing: string])[] = [
  [/\[\d{1,2}\/[^/\]\s]+\/\d{4}[: ]\d\d:\d\d:\d\d/, "there is no time as in [03/Mar/2026:10:00:07 +0000]"],
  [/"(?:[^"\\]|\\.)*"/, "there is no request in quotes"],
  [/\][ \t]+"/, "the request in quotes does not follow the time"],
  [/"[ \t]+(?:\d{1,3}|-)(?:[ \t]|$)/, "no status follows the request"],
  [/^\S+[ \t]+\S+[ \t]+\S.*\[/, "no address and user are before the time"],
];

/** The format to which an unread line comes nearest; `missing` completes "but …". */
function nearest(line: string): { readonly name: string; readonly missing: string } | undefined {
  const fits = (fields: LineFields | undefined) =>
    fields?.event_time !== undefined && parseEventTimeV2(fields.event_time) !== undefined &&
    isForwardedList(fields.ip ?? "");
  const whole = fits(readCommonLine(line))
    ? { name: "combined" }
    : AUTO_LINES.find(({ begins, format }) => begins.test(line) && fits(readByFormat(line, format)));
  if (whole !== undefined) return { name: whole.name, missing: "FILE_FORMAT names another one" };
  const missing = LANDMARKS.filter(([pattern]) => !pattern.test(line));
  const family = { name: "combined", near: 1 - missing.length / LANDMARKS.length };
  if (/^\d{4}-\d\d-\d\d[ \t]\d\d:\d\d:\d\d[ \t]/.test(line)) {
    return {
      name: "iis",
      missing: "its columns are others than the default ones: set FILE_FORMAT to its #Fields line",
    };
  }
  const others = AUTO_LINES.map(({ name, begins, format }) => ({
    name,
    near: begins.test(line) ? 1 : reachOf(line, format) / 2,
  }));
  const best = others.reduce((a, b) => b.near > a.near ? b : a, family);
  if (best.near < NEAR) return undefined;
  if (best === family) return { name: best.name, missing: missing[0]?.[1] ?? "its columns are in another order" };
  return { name: best.name, missing: "its columns are others than the default ones" };
}
