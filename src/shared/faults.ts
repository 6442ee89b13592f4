// Named errors that several parts raise, each with one wording and one action. Pure.
import { EXIT, messageOf, NamedError, StreamStopped, Unavailable } from "./errors.ts";
import type { Offset, PartitionId } from "./units.ts";

/** A partition's log, which holds the records in [logStart, logEnd). */
interface Bounds {
  readonly partition: PartitionId;
  readonly logStart: Offset;
  readonly logEnd: Offset;
}

/** @param was the id of the log of the stored positions @param now its id now */
export function topicRecreated(log: string, was: string | null, now: string | null): StreamStopped {
  return new StreamStopped(
    "topic_recreated",
    `${log} was deleted and created again: its id is ${now}, the stored positions belong to ${was}.`,
    "Check what happened to the topic. `tidemark resume --accept-gap` starts at the beginning of the new one and records the gap.",
  );
}

/** The fault of a position outside [logStart, logEnd] of its log; `null` for a position within. */
export function positionFault(log: string, position: Offset, bounds: Bounds): StreamStopped | null {
  const { partition, logStart, logEnd } = bounds;
  const where = `${log}[${partition}]: the next record to read is ${position}`;
  if (position < logStart) {
    return new StreamStopped(
      "data_gap",
      `${where}, but the log now starts at ${logStart}: ${logStart - position} offsets are gone.`,
      "Find out what removed the records. `tidemark resume --accept-gap` records the gap, shows it in reports as unknown, and goes on at the log's start.",
    );
  }
  if (position > logEnd) {
    return new StreamStopped(
      "position_beyond_end",
      `${where}, but the log ends at ${logEnd}: it was truncated.`,
      "Find out what the broker lost. `tidemark resume --accept-gap` records it and goes on at the log's end.",
    );
  }
  return null;
}

export function sourceUnavailable(reason: string): Unavailable {
  return new Unavailable(
    "source_unavailable",
    reason,
    "Tidemark tries again by itself. Check the log and the settings of the source.",
  );
}

/** The log does not hold what a command wants to read again. */
export function logGone(message: string): NamedError {
  return new NamedError(
    "log_gone",
    message,
    EXIT.findings,
    "Only records that the log still holds can be read again. Give a later range, or see `tidemark doctor`.",
  );
}

export function postgresUnavailable(reason: string, options?: ErrorOptions): Unavailable {
  return new Unavailable("postgres_unavailable", reason, "Start PostgreSQL or check POSTGRES_URL.", options);
}

/** @param cause the database's error about a missing table or function */
export function schemaMissing(cause: unknown): NamedError {
  return new NamedError(
    "schema_missing",
    `A table or function of the stream is not in this schema: ${messageOf(cause)}`,
    EXIT.usage,
    "Run `tidemark migrate` against this schema.",
    { cause },
  );
}
