// Reads inputs line by line and gives batches to a sender at a rate; it reads one batch while another is being sent. Shell over its sender.
import { durationMs, offset } from "../../shared/units.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import { UsageError } from "../../shared/errors.ts";
import type { FileContent } from "../../source/file/content.ts";
import { LineReader } from "../../source/file/line_reader.ts";
import type { LineRun } from "../../source/lines.ts";
import type { Lateness } from "./lateness.ts";
import { messageOfLine, type MessageRules, type OutMessage, SENT_BYTES_MAX, type Skipped } from "./produce_message.ts";
import { Batches, type LinePosition } from "./batches.ts";
import { type ProduceCounts, SendProgress } from "./progress.ts";

const BATCH_RECORDS_MAX = 10_000;
/** Approximate pause between batches of a limited rate. */
const PACE_SECONDS = 0.1;

/** A file or standard input. */
export interface ProduceInput {
  readonly name: string;
  /** Bytes on disk; null if they are not known. */
  readonly size: number | null;
  /** Host for its lines without one, instead of the host for all inputs. */
  readonly host?: string | undefined;
  open(): Promise<FileContent>;
}

export interface ProduceOptions {
  readonly inputs: readonly ProduceInput[];
  readonly rules: MessageRules;
  /** Lines of the first input before this one are left out. From 1. */
  readonly fromLine: number;
  /** Records per second; undefined: as fast as possible. */
  readonly rate: number | undefined;
  /** Resolves when all of them are acknowledged; rejects with IncompleteSend, which says which are. */
  readonly send: (messages: readonly OutMessage[]) => Promise<void>;
  /** Called with the event time of each record. */
  readonly lateness?: Lateness;
  readonly onProgress: (counts: ProduceCounts) => void;
  readonly clock: Clock;
  readonly log: Log;
  /** Stops after the batch that is being sent. */
  readonly signal: AbortSignal;
}

const PROBLEMS: Readonly<Record<Skipped, string>> = {
  bad_line: "a line is neither a JSON object nor in an access-log format; such lines are not sent",
  too_large: `a line is longer than ${SENT_BYTES_MAX} bytes; such lines are not sent`,
};

/**
 * Sends all inputs in order. Rejects with what `send` or a file rejects with; `onProgress` has the counts up to then.
 *
 * @throws {UsageError} if an access log names no host and none was given
 */
export async function produceInputs(options: ProduceOptions): Promise<ProduceCounts> {
  const { clock, rate, signal } = options;
  const progress = new SendProgress({ input: 0, line: options.fromLine });
  const { counts } = progress;
  const started = clock.now();
  const records = rate === undefined
    ? BATCH_RECORDS_MAX
    : Math.min(BATCH_RECORDS_MAX, Math.max(1, Math.floor(rate * PACE_SECONDS)));
  let sending: Promise<void> = Promise.resolve();
  let handed = 0;

  const flush = async (batch: readonly (OutMessage & LinePosition)[]) => {
    await settled(sending);
    if (signal.aborted || batch.length === 0) return;
    if (rate !== undefined) {
      await clock.sleep(durationMs(Math.max(0, started + handed / rate * 1000 - clock.now())), signal);
    }
    if (signal.aborted) return;
    handed += batch.length;
    sending = options.send(batch).then(() => progress.stored(batch), (error) => {
      progress.failed(batch, error);
      throw error;
    });
    // It is awaited before the next batch; until then a rejection must not count as unhandled.
    sending.catch(() => {});
  };
  const settled = async (sent: Promise<void>) => {
    try {
      await sent;
    } finally {
      options.onProgress(counts);
    }
  };

  const queue = new Batches(records);
  let before = 0;
  for (const [input, { name, size, open, host }] of options.inputs.entries()) {
    const rules = host === undefined ? options.rules : { ...options.rules, defaultHost: host };
    for await (const { run, taken } of runsOf(open, signal)) {
      counts.read = before + taken;
      run.walk(offset(0), (bytes, start, end, at) => {
        const where = { input, line: run.line };
        if (input === 0 && where.line < options.fromLine) return;
        const message = messageOfLine(bytes, start, end, rules);
        if (typeof message !== "string") {
          if (message.time !== undefined) options.lateness?.add(message.time);
          return queue.add({ ...message, ...where });
        }
        if (message === "comment") return;
        if (message === "no_host") throw noHost(name);
        if (counts.unsent[message]++ === 0) {
          options.log.warn(PROBLEMS[message], { input: name, line: where.line, byte: at });
        }
      });
      for (let batch = queue.takeFull(); batch; batch = queue.takeFull()) await flush(batch);
      if (signal.aborted) break;
    }
    before += size ?? 0;
  }
  for (let batch = queue.takeAny(); batch && !signal.aborted; batch = queue.takeAny()) await flush(batch);
  await settled(sending);
  if (!signal.aborted) counts.next = null;
  options.onProgress(counts);
  return counts;
}

function noHost(input: string): UsageError {
  return new UsageError(
    [`${input} is an access log that names no host.`],
    "Say which host it is of: --host NAME, or {host} in the path where the name is in it.",
    "no_host",
  );
}

async function* runsOf(
  open: () => Promise<FileContent>,
  signal: AbortSignal,
): AsyncGenerator<{ run: LineRun; taken: number }> {
  if (signal.aborted) return;
  const content = await open();
  try {
    const reader = new LineReader(content, { byte: 0, origin: 0 });
    while (!signal.aborted) {
      const { run, atEnd } = await reader.read(0);
      if (run) yield { run, taken: content.taken };
      if (atEnd) break;
    }
    const { run } = reader.takeRest(0);
    if (run && !signal.aborted) yield { run, taken: content.taken };
  } finally {
    await content.close();
  }
}
