// The program's error classes and their exit codes. Bad data is not an error; it is a dead letter. No I/O.

/** Process exit codes; {@link EXIT_MEANING} says what each means. */
export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  unavailable: 3,
  stopped: 4,
  busy: 5,
  findings: 6,
  unhealthy: 7,
} as const;

/** For `--help` and docs/configuration.md. */
export const EXIT_MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "done, or stopped by a signal in good order",
  internal: "a bug; the stored state is not damaged",
  usage: "settings or arguments are wrong, or the stored stream was made with others",
  unavailable: "the broker or the database did not answer in time",
  stopped: "the stream is stopped until an operator decides",
  busy: "another process holds the data folder, the port or the log",
  findings: "a check found something; `run --once`: more dead letters than DEAD_SHARE_MAX allows",
  unhealthy: "`health`: the process is not alive, not ready, or does not answer",
};

export type ExitCode = typeof EXIT[keyof typeof EXIT];

/** An error with a stable name, to which documentation and alerts refer, and an action. */
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

/** Settings, arguments or files are wrong. Holds every problem, one line each. Caught by `main`, exit 2. */
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

/** The stream cannot go on without an operator's decision. It is stored in the stream row, makes readiness fail, and ends `run --once`. */
export class StreamStopped extends NamedError {
  override readonly name = "StreamStopped";
  declare readonly code: StopCode;
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

/** Broker, database or another server does not answer. The pipeline tries again; one-shot commands end after `--wait`. */
export class Unavailable extends NamedError {
  override readonly name = "Unavailable";
  constructor(code: string, message: string, action: string, options?: ErrorOptions) {
    super(code, message, EXIT.unavailable, action, options);
  }
}

/** A bug: the code is in an impossible state. Ends the process, which then starts again from the rows in PostgreSQL. */
export class BugError extends Error {
  override readonly name = "BugError";
}

/** Throws {@link BugError} unless `condition` holds. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
