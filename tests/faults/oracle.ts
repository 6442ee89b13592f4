// The naive oracle: applies the rules of docs/concepts.md to one record after the other, with Maps and JSON.parse. Pure.
// It shares no code with src/ on purpose: a rule that both got wrong in the same way would have to be invented twice.
import { createHash } from "node:crypto";
import { DIMENSIONS, type NaiveValues, naiveValues } from "./oracle_breakdown.ts";
import { NaiveVisitors } from "./visitors.ts";

/** One record as the log holds it. */
export interface LoggedRecord {
  readonly partition: number;
  readonly offset: number;
  /** `null` = tombstone. */
  readonly value: Uint8Array | null;
  /** Record time, epoch ms. */
  readonly recordTime: number;
}

/** A watermark that silence raised, as the database recorded it: records at or above `atOffset` are judged by it. */
export interface RecordedAdvance {
  readonly partition: number;
  readonly atOffset: number;
  readonly watermark: number;
}

export interface OracleRules {
  readonly windowMs: number;
  readonly delayMs: number;
  readonly skewMs: number;
  /** ISO code of a public address, or `unknown`. */
  readonly country: (address: string) => string;
  /** Version of the event rules that the stream stores; 2 if left out. A stream that 026e399 began keeps 1. */
  readonly version?: RulesVersion;
}

export type RulesVersion = 1 | 2;

/** What became of one partition's log. */
export interface PartitionTotals {
  counted: number;
  late: number;
  dead: number;
  nulls: number;
  watermark: number;
  /** One past the last record seen. */
  next: number;
}

/** Hits and hits by bots of one key. */
export type Hits = [hits: number, bots: number];

/** An event whose fields are in order, or why it is not one. */
export type NaiveEvent =
  | {
    readonly time: number;
    readonly host: string;
    readonly referrer: string;
    readonly ip: string;
    readonly bot: boolean;
    readonly agent: string;
    readonly values: NaiveValues;
  }
  | { readonly dead: string };

const SEPARATOR = "\u0001";
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Key of one row: window start (epoch ms), host, referrer and country. */
export const rowKey = (windowStart: number, host: string, referrer: string, country: string): string =>
  [windowStart, host, referrer, country].join(SEPARATOR);

/** Key of one value: window start (epoch ms), dimension, host and value. */
export const valueKey = (windowStart: number, dimension: string, host: string, value: string): string =>
  [windowStart, dimension, host, value].join(SEPARATOR);

/** The four parts of a {@link rowKey} or a {@link valueKey}. */
export const rowParts = (key: string): string[] => key.split(SEPARATOR);

/** Counts a whole topic. Records of one partition must be given in log order; the partitions may interleave in any way. */
export class Oracle {
  readonly counted = new Map<string, Hits>();
  readonly late = new Map<string, Hits>();
  /** Breakdowns by {@link valueKey}. */
  readonly countedValues = new Map<string, Hits>();
  readonly lateValues = new Map<string, Hits>();
  readonly visitors = new NaiveVisitors();
  /** `partition reason` → records. */
  readonly dead = new Map<string, number>();
  readonly partitions = new Map<number, PartitionTotals>();
  readonly #advances = new Map<number, RecordedAdvance[]>();

  /** @param startingAt watermark with which a partition was created, where it was added to a running stream */
  constructor(
    readonly rules: OracleRules,
    advances: readonly RecordedAdvance[] = [],
    readonly startingAt: ReadonlyMap<number, number> = new Map(),
  ) {
    for (const advance of [...advances].sort((a, b) => a.atOffset - b.atOffset || a.watermark - b.watermark)) {
      const list = this.#advances.get(advance.partition);
      if (list) list.push(advance);
      else this.#advances.set(advance.partition, [advance]);
    }
  }

  /** Applies the next record of its partition. */
  apply({ partition, offset, value, recordTime }: LoggedRecord): void {
    const totals = this.#totals(partition);
    totals.next = offset + 1;
    const advances = this.#advances.get(partition);
    while (advances?.[0] && advances[0].atOffset <= offset) {
      totals.watermark = Math.max(totals.watermark, advances.shift()!.watermark);
    }
    if (value === null) {
      totals.nulls++;
      return;
    }
    const event = naiveEvent(value, this.rules.version);
    if ("dead" in event) return this.#bury(totals, partition, event.dead);
    if (event.time > recordTime + this.rules.skewMs) return this.#bury(totals, partition, "future_event_time");
    const { windowMs, delayMs } = this.rules;
    const start = Math.floor(event.time / windowMs) * windowMs;
    const late = start + windowMs <= totals.watermark;
    totals[late ? "late" : "counted"]++;
    const key = rowKey(start, event.host, event.referrer, this.rules.country(event.ip));
    addHit(late ? this.late : this.counted, key, event.bot);
    for (const [i, dimension] of DIMENSIONS.entries()) {
      addHit(
        late ? this.lateValues : this.countedValues,
        valueKey(start, dimension, event.host, event.values[i]!),
        event.bot,
      );
    }
    if (!late && !event.bot) {
      this.visitors.add(new Date(start).toISOString().slice(0, 10), event.host, event.ip, event.agent);
    }
    totals.watermark = Math.max(totals.watermark, Math.min(event.time, recordTime) - delayMs);
  }

  #bury(totals: PartitionTotals, partition: number, reason: string): void {
    totals.dead++;
    const key = `${partition} ${reason}`;
    this.dead.set(key, (this.dead.get(key) ?? 0) + 1);
  }

  #totals(partition: number): PartitionTotals {
    let totals = this.partitions.get(partition);
    if (!totals) {
      const watermark = this.startingAt.get(partition) ?? -Infinity;
      this.partitions.set(partition, totals = { counted: 0, late: 0, dead: 0, nulls: 0, watermark, next: 0 });
    }
    return totals;
  }
}

function addHit(rows: Map<string, Hits>, key: string, bot: boolean): void {
  const hits = rows.get(key);
  if (hits) {
    hits[0]++;
    if (bot) hits[1]++;
  } else rows.set(key, [1, bot ? 1 : 0]);
}

/** Reads one event value. */
export function naiveEvent(value: Uint8Array, version: RulesVersion = 2): NaiveEvent {
  if (value.length > 1024 * 1024) return { dead: "too_large" };
  let text: string;
  try {
    text = strictUtf8.decode(value);
  } catch {
    return { dead: "bad_encoding" };
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { dead: "bad_json" };
  }
  if (Array.isArray(json)) return { dead: version === 1 ? "bad_json" : "array_value" };
  if (typeof json === "string") return { dead: version === 1 ? "bad_json" : "enveloped_value" };
  if (typeof json !== "object" || json === null) return { dead: "bad_json" };
  const fields = json as Record<string, unknown>;
  if (version > 1 && ["", "-", null, undefined].includes(fields.event_time as string)) {
    return { dead: "missing_event_time" };
  }
  const time = naiveTime(fields.event_time);
  if (time === undefined) return { dead: "bad_event_time" };
  const textOf = (field: unknown) => typeof field === "string" ? field : "";
  let host = textOf(fields.host);
  if (host === "" || version > 1 && host === "-") host = /^https?:\/\/([^/?#]+)/i.exec(textOf(fields.url))?.[1] ?? "";
  if (host === "") return { dead: "missing_host" };
  const sentReferrer = textOf(fields.referrer), agent = textOf(fields.user_agent);
  const cap = (text: string) => naiveKey(text, version);
  const row = {
    host: cap(version === 1 ? host.toLowerCase() : naiveHost(host)),
    referrer: sentReferrer === "-" ? "" : cap(sentReferrer),
    bot: /bot|crawl|spider|curl/i.test(agent),
  };
  return { time, ...row, ip: textOf(fields.ip), agent, values: naiveValues(fields, row, cap) };
}

/** A host as it is counted, for the hosts that are sent here: names, addresses of version 4, ports. */
export function naiveHost(sent: string): string {
  const host = sent.trim().toLowerCase().replace(/:(?:80|443)?$/, "").replace(/\.+$/, "");
  return /^[\d.]+(?::\d+)?$/.test(host) ? "(address)" : host;
}

/** A key's text as it is stored: at most 1 KiB, ended by a hash where it was longer. */
export function naiveKey(text: string, version: RulesVersion = 2): string {
  const clean = Array.from(text, (c) => c === "\0" || c === "\x1f" || !c.isWellFormed() ? "\ufffd" : c).join("");
  const bytes = new TextEncoder().encode(clean);
  if (bytes.length <= 1024) return clean;
  const digits = version === 1 ? 16 : 32;
  let kept = "";
  let size = 0;
  for (const c of clean) {
    size += new TextEncoder().encode(c).length;
    if (size > 1024 - 1 - digits) break;
    kept += c;
  }
  return `${kept}#${createHash("sha256").update(clean).digest("hex").slice(0, digits)}`;
}

/** Epoch ms of an event time, or undefined. */
export function naiveTime(value: unknown): number | undefined {
  if (typeof value === "number" || typeof value === "string" && /^\d+$/.test(value)) {
    const number = Number(value);
    if (!Number.isInteger(number)) return undefined;
    return number >= 100_000_000_000 ? number : number * 1000;
  }
  if (typeof value !== "string") return undefined;
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:(\d\d))(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?$/.exec(value);
  if (!match || match[3] === "60") return undefined;
  // Cut to milliseconds before Date.parse sees it: engines differ in what they do with more digits.
  const time = Date.parse(`${match[1]}T${match[2]}.${(match[4] ?? "").slice(0, 3).padEnd(3, "0")}${match[5] ?? "Z"}`);
  return Number.isNaN(time) ? undefined : time;
}
