// What an event is: the reasons for which a record can never be counted, and the reader that turns bytes into small integers.
import { DEAD_REASONS, type DeadReason } from "../shared/dead_reasons.ts";
import type { StreamRules } from "./stream_rules.ts";

export { DEAD_REASONS, type DeadReason };

/** 0 = the event can be counted, -1 = a comment, else 1 + index into {@link DEAD_REASONS}. */
export type ReadCode = number;
export const READ_OK: ReadCode = 0;
/** The record holds no event and is not an error: a line of a log that is a comment. It is booked as null. */
export const READ_COMMENT: ReadCode = -1;
export const readCode = (reason: DeadReason): ReadCode => DEAD_REASONS.indexOf(reason) + 1;
export const deadReason = (code: ReadCode): DeadReason => DEAD_REASONS[code - 1]!;

/** Text ⇄ dense small integer, for the life of one dictionary epoch. */
export interface Dictionary {
  text(id: number): string;
  /** Bytes of the text in UTF-8. */
  bytes(id: number): number;
  readonly size: number;
}

/**
 * Reads one record's value. After `read` returned {@link READ_OK} the fields hold the event; they are overwritten by the next call.
 * `future_event_time` is not decided here: it needs the record time, which the engine knows.
 */
export interface EventReader {
  /** Changes what the stream stores of its rules, and forgets every host and referrer id: called only when no delta refers to one. */
  use(stream: StreamRules): void;
  /** Host of the lines to come that name none; undefined: the one that the reader was made with. */
  useHost(host: string | undefined): void;
  read(bytes: Uint8Array, start: number, end: number): ReadCode;
  /** Event time in whole epoch ms, digits below 1 ms cut. */
  readonly eventTime: number;
  /** Ids in `hosts`, `referrers` and of the locator's places. */
  readonly host: number;
  readonly referrer: number;
  readonly place: number;
  /** 1 where the user agent is a bot's, else 0. */
  readonly bot: number;
  readonly hosts: Dictionary;
  readonly referrers: Dictionary;
  /** Bytes held by the dictionaries and caches. */
  readonly memoryBytes: number;
  /** Forgets every host and referrer id; called only when no delta refers to one (see `memoryBytes`). */
  reset(): void;
}
