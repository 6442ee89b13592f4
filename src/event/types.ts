// The port of event readers, which turn bytes into small integers, and the codes of their results. No I/O.
import { DEAD_REASONS, type DeadReason } from "../shared/dead_reasons.ts";
import type { Breakdowns } from "../breakdown/dimensions.ts";
import type { VisitorSalt } from "../breakdown/visitor.ts";
import type { StreamRules } from "./stream_rules.ts";

/** 0 = the event can be counted, -1 = a comment, else 1 + index into {@link DEAD_REASONS}. */
export type ReadCode = number;
export const READ_OK: ReadCode = 0;
/** A line of a log that is a comment. It is counted as a null record. */
export const READ_COMMENT: ReadCode = -1;
export const readCode = (reason: DeadReason): ReadCode => DEAD_REASONS.indexOf(reason) + 1;
export const deadReason = (code: ReadCode): DeadReason => DEAD_REASONS[code - 1]!;

/** Texts by dense small integers, which are valid until the reader's next `reset`. */
export interface Dictionary {
  text(id: number): string;
  /** Bytes of the text in UTF-8. */
  bytes(id: number): number;
  readonly size: number;
}

/** What an event adds to the breakdowns. The fields hold the reader's event, as its own do. */
export interface EventBreakdowns {
  /** What is counted; not 0. Ids of a dimension that is not counted mean nothing. */
  readonly counted: Breakdowns;
  /** Ids in `pages`, `clients` and `campaigns`. */
  readonly page: number;
  readonly client: number;
  readonly campaign: number;
  readonly pages: Dictionary;
  readonly clients: Dictionary;
  readonly campaigns: Dictionary;
  /** The update of a sketch for the event's visitor, hashed by `salt`. Call it only where visitors are counted. */
  visitor(salt: VisitorSalt): number;
}

/**
 * Reads one record's value. After {@link READ_OK} the fields hold the event until the next call. The engine decides `future_event_time`,
 * because it knows the record time.
 */
export interface EventReader {
  /** Changes the rules and forgets every id but those of places and clients. Call it only while no delta refers to one. */
  use(stream: StreamRules): void;
  /** Sets the host of following lines that do not name one; undefined = the host that the reader was made with. */
  useHost(host: string | undefined): void;
  read(bytes: Uint8Array, start: number, end: number): ReadCode;
  /** Event time in whole epoch ms, digits below 1 ms cut. */
  readonly eventTime: number;
  /** Ids in `hosts`, `referrers` and of the locator's places. */
  readonly host: number;
  readonly referrer: number;
  readonly place: number;
  /** 1 for a bot, else 0. */
  readonly bot: number;
  readonly hosts: Dictionary;
  readonly referrers: Dictionary;
  /** `null` if nothing but the rows is counted. */
  readonly breakdown: EventBreakdowns | null;
  /** Bytes held by the dictionaries and caches. */
  readonly memoryBytes: number;
  /** Forgets every id but those of places and clients. Call it only while no delta refers to one. */
  reset(): void;
}
