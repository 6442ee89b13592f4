// Reads inputs line by line and hands batches to a sender at a rate, one batch being read while another is on its way. Shell over its sender.
import { durationMs, offset } from "../../shared/units.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import { UsageError } from "../../shared/errors.ts";
import type { FileContent } from "../../source/file/content.ts";
import { LineReader } from "../../source/file/line_reader.ts";
import type { RecordRun } from "../../source/port.ts";
import {
  messageOfLine,
  type MessageRules,
  type OutMessage,
  SENT_BYTES_MAX,
  type Unsendable,
} from "./produce_message.ts";

/**
 * A batch is one request. Were all its records to meet in one partition they must still fit into one record batch, which a broker limits
 * to 1 MiB by default.
 */
const BATCH_BYTES_MAX = 900_000;
const BATCH_RECORDS_MAX = 10_000;
/** Bytes that a record costs beside key and value, at most. */
const RECORD_OVERHEAD_BYTES = 32;
/** Pauses between batches of a limited rate are about this long. */
const PACE_SECONDS = 0.1;

/** One file or standard input. */
export interface ProduceInput {
  readonly name: string;
  open(): Promise<FileContent>;
}

export interface ProduceOptions {
  readonly inputs: readonly ProduceInput[];
  readonly rules: MessageRules;
  /** Records per second; undefined: as fast as they are taken. */
  readonly rate: number | undefined;
  /** Resolves when all of them are stored. */
  readonly send: (messages: readonly OutMessage[]) => Promise<void>;
  readonly onProgress: (counts: ProduceCounts) => void;
  readonly clock: Clock;
  readonly log: Log;
  /** Stops after the batch that is on its way. */
  readonly signal: AbortSignal;
}

/** Why a line was left out. A missing host is none of it: it would leave out a whole log, so it ends the command. */
export type Skipped = Exclude<Unsendable, "no_host">;

/** What became of the lines so far; blank ones are none. */
export interface ProduceCounts {
  /** Stored by the broker. */
  sent: number;
  /** Their bytes, keys not counted. */
  bytes: number;
  /** Not sent, by reason. */
  readonly unsent: Record<Skipped, number>;
}

const PROBLEMS: Readonly<Record<Skipped, string>> = {
  bad_line: "a line is neither a JSON object nor in an access-log format; such lines are not sent",
  too_large: `a line is longer than ${SENT_BYTES_MAX} bytes; such lines are not sent`,
};

/**
 * Sends all inputs in order. Rejects with what `send` or a file rejects with; `onProgress` has the counts up to then.
 *
 * @throws {UsageError} where an access log names no host and none was given
 */
export async function produceInputs(options: ProduceOptions): Promise<ProduceCounts> {
  const { clock, rate, signal } = options;
  const counts: ProduceCounts = { sent: 0, bytes: 0, unsent: { bad_line: 0, too_large: 0 } };
  const started = clock.now();
  const records = rate === undefined
    ? BATCH_RECORDS_MAX
    : Math.min(BATCH_RECORDS_MAX, Math.max(1, Math.floor(rate * PACE_SECONDS)));
  let sending: Promise<void> = Promise.resolve();
  let handed = 0;

  const flush = async (batch: readonly OutMessage[]) => {
    await sending;
    options.onProgress(counts);
    if (signal.aborted || batch.length === 0) return;
    if (rate !== undefined) {
      await clock.sleep(durationMs(Math.max(0, started + handed / rate * 1000 - clock.now())), signal);
    }
    if (signal.aborted) return;
    handed += batch.length;
    sending = options.send(batch).then(() => {
      counts.sent += batch.length;
      counts.bytes += batch.reduce((sum, { value }) => sum + value.length, 0);
    });
    // It is awaited before the next batch; until then a rejection must not count as unhandled.
    sending.catch(() => {});
  };

  const queue = new Batches(records);
  for (const input of options.inputs) {
    for await (const run of runsOf(input, signal)) {
      run.walk(offset(0), (bytes, start, end, at) => {
        const message = messageOfLine(bytes, start, end, options.rules);
        if (typeof message !== "string") return queue.add(message);
        if (message === "no_host") throw noHost(input.name);
        if (counts.unsent[message]++ === 0) options.log.warn(PROBLEMS[message], { input: input.name, byte: at });
      });
      for (let batch = queue.takeFull(); batch; batch = queue.takeFull()) await flush(batch);
      if (signal.aborted) break;
    }
  }
  for (let batch = queue.takeAny(); batch && !signal.aborted; batch = queue.takeAny()) await flush(batch);
  await sending;
  options.onProgress(counts);
  return counts;
}

function noHost(input: string): UsageError {
  return new UsageError(
    [`${input} is an access log that names no host.`],
    "Say which host it is of: --host NAME.",
    "no_host",
  );
}

async function* runsOf(input: ProduceInput, signal: AbortSignal): AsyncGenerator<RecordRun> {
  if (signal.aborted) return;
  const content = await input.open();
  try {
    const reader = new LineReader(content, { byte: 0, origin: 0 });
    while (!signal.aborted) {
      const { run, atEnd } = await reader.read(0);
      if (run) yield run;
      if (atEnd) break;
    }
    const { run } = reader.takeRest(0);
    if (run && !signal.aborted) yield run;
  } finally {
    await content.close();
  }
}

/** Messages in batches of bounded count and size. */
class Batches {
  readonly #recordsMax: number;
  readonly #full: OutMessage[][] = [];
  #open: OutMessage[] = [];
  #openBytes = 0;

  constructor(recordsMax: number) {
    this.#recordsMax = recordsMax;
  }

  add(message: OutMessage): void {
    const bytes = message.value.length + (message.key?.length ?? 0) * 3 + RECORD_OVERHEAD_BYTES;
    if (
      this.#open.length === this.#recordsMax || (this.#open.length > 0 && this.#openBytes + bytes > BATCH_BYTES_MAX)
    ) this.#close();
    this.#open.push(message);
    this.#openBytes += bytes;
  }

  takeFull(): OutMessage[] | undefined {
    return this.#full.shift();
  }

  takeAny(): OutMessage[] | undefined {
    if (this.#open.length > 0) this.#close();
    return this.takeFull();
  }

  #close(): void {
    this.#full.push(this.#open);
    this.#open = [];
    this.#openBytes = 0;
  }
}
