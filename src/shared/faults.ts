// Named errors that several parts raise: one wording and one action for each. Pure.
import { EXIT, messageOf, NamedError, StreamStopped, Unavailable } from "./errors.ts";
import type { Offset, PartitionId } from "./units.ts";

/** A partition's log: it holds the records in [logStart, logEnd). */
interface Bounds {
  readonly partition: PartitionId;
  readonly logStart: Offset;
  readonly logEnd: Offset;
}

/** The log was deleted and created again. `was` and `now` are its ids. */
export function topicRecreated(log: string, was: string | null, now: string | null): StreamStopped {
  return new StreamStopped(
    "topic_recreated",
    `${log} was deleted and created again: its id is ${now}, the stored positions belong to ${was}.`,
    "Check what happened to the topic. `tidemark resume --accept-gap` starts at the beginning of the new one and records the gap.",
  );
}

/** What is wrong with a position in a partition's log; `null` where the log holds it, that is within [logStart, logEnd]. */
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

/** The log cannot be asked or read at the moment. */
export function sourceUnavailable(reason: string): Unavailable {
  return new Unavailable(
    "source_unavailable",
    reason,
    "It is tried again. Check the log and the settings of the source.",
  );
}

/** The log does not hold what a command wants to read again. */
export function logGone(message: string): NamedError {
  return new NamedError(
    "log_gone",
    message,
    EXIT.findings,
    "Only what the log still holds can be read again: ask for a later range, or see `tidemark doctor`.",
  );
}

/** No connection to the database. */
export function postgresUnavailable(reason: string, options?: ErrorOptions): Unavailable {
  return new Unavailable("postgres_unavailable", reason, "Start PostgreSQL or check POSTGRES_URL.", options);
}

/** A table or function of ours is not there. `cause` is the database's error. */
export function schemaMissing(cause: unknown): NamedError {
  return new NamedError(
    "schema_missing",
    `A table or function of the stream is not in this schema: ${messageOf(cause)}`,
    EXIT.usage,
    "Run `tidemark migrate` against this schema.",
    { cause },
  );
}
