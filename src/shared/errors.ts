// The program's error classes and the exit code each ends in. Bad data is never an error: it is a dead letter.

/** Process exit codes; documented in `tidemark --help` and docs/configuration.md. */
export const EXIT = {
  ok: 0,
  /** A bug: an assertion failed. The state in PostgreSQL is untouched. */
  internal: 1,
  /** Settings or arguments are wrong, or a stored stream was made with others. */
  usage: 2,
  /** Broker or database did not answer within `--wait`. */
  unavailable: 3,
  /** The stream is stopped by a named fault (data gap, topic recreated, …): an operator decides. */
  stopped: 4,
  /** Another process holds the data folder, the port or the log's lease. */
  busy: 5,
  /** A check that was asked for found something (doctor, ledger, replay differences). */
  findings: 6,
} as const;

export type ExitCode = typeof EXIT[keyof typeof EXIT];

/** An error with a stable name that documentation and alerts refer to, and what to do about it. */
export class NamedError extends Error {
  override readonly name: string = "NamedError";
  constructor(
    /** Stable snake_case name, e.g. `data_gap`. */
    readonly code: string,
    message: string,
    readonly exitCode: ExitCode,
    /** One sentence: what the operator does next. */
    readonly action: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Settings, arguments or files are wrong: every problem at once, one line each. Caught by `main`, exit 2. */
export class UsageError extends NamedError {
  override readonly name = "UsageError";
  constructor(
    readonly problems: readonly string[],
    action = "Run `tidemark --help` for the list of settings.",
    code = "bad_settings",
  ) {
    super(code, problems.join("\n"), EXIT.usage, action);
  }
}

/** The stream cannot go on without an operator's decision. Ends `run`, turns readiness red, and is stored in the stream row. */
export class StreamStopped extends NamedError {
  override readonly name = "StreamStopped";
  constructor(code: StopCode, message: string, action: string, options?: ErrorOptions) {
    super(code, message, EXIT.stopped, action, options);
  }
}

/** Why a stream stops; each has an entry in docs/runbook.md. */
export type StopCode =
  | "data_gap"
  | "position_beyond_end"
  | "topic_recreated"
  | "partitions_removed"
  | "partition_returned"
  | "corrupt_batch"
  | "unsupported_codec"
  | "source_refused";

/** Broker, database or another server is absent. Retried by the pipeline; ends one-shot commands after `--wait`. */
export class Unavailable extends NamedError {
  override readonly name = "Unavailable";
  constructor(code: string, message: string, action: string, options?: ErrorOptions) {
    super(code, message, EXIT.unavailable, action, options);
  }
}

/** A state that the code rules out was met: a bug. Crashes the process; PostgreSQL holds the truth. */
export class BugError extends Error {
  override readonly name = "BugError";
}

/** Throws {@link BugError} unless `condition` holds. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}

/** The text of anything thrown, for one log line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
