// Record batches through our reader: what was written comes out; a batch that was damaged on the way is a named fault or, with its checksum
// looked at, the same records; without it, anything in order and within bounds. Nothing hangs and nothing else is thrown.
import { Buffer } from "node:buffer";
import { BatchReader } from "../../src/source/kafka/decode/batch_reader.ts";
import type { AbortedTransaction } from "../../src/source/kafka/decode/fetch_decoder.ts";
import { offset } from "../../src/shared/units.ts";
import { encodeBatch, encodeLegacyMessage, encodeMarker, type RecordSpec } from "../support/kafka_record_batch.ts";
import { type Below, type Chance, chanceOf } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf, type Verdict } from "./target.ts";

/** One part of a partition's log, as it was written. */
type Part =
  | {
    readonly kind: "batch";
    readonly base: number;
    readonly records: readonly {
      readonly value: string | null;
      readonly key?: string;
      readonly time: number;
      readonly delta: number;
    }[];
    readonly codec: number;
    readonly last: number;
    readonly time: number;
    readonly append: boolean;
    readonly producer: number;
    readonly tx: boolean;
  }
  | { readonly kind: "marker"; readonly base: number; readonly producer: number; readonly type: "abort" | "commit" }
  | {
    readonly kind: "legacy";
    readonly base: number;
    readonly magic: 0 | 1;
    readonly codec: number;
    readonly values: readonly (string | null)[];
    readonly time: number;
    /** The broker stamped the wrapper, later than the producer its messages. */
    readonly append: boolean;
  };

/** What is fetched: the log's parts, from where, which transactions were aborted, and what was damaged: [position, what is XORed, …] or a cut. */
interface Fetched {
  readonly parts: readonly Part[];
  readonly from: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly damage: readonly (readonly [at: number, xor: number])[];
  readonly cut: number | null;
}

const SENT_AT = 777;
const VALUES = ["a", "", '{"host":"shop.example"}', "x".repeat(200), "é", "0".repeat(70)];

function parts(chance: Chance): { parts: Part[]; aborted: AbortedTransaction[] } {
  const { once, pick, int } = chance;
  const made: Part[] = [], aborted: AbortedTransaction[] = [];
  const open = new Map<number, number>();
  let base = once(3) ? int(0, 100) : 2 ** 40;
  for (let n = int(1, 6); n > 0; n--) {
    if (once(8)) {
      const codec = once(2) ? 0 : pick([1, 2, 3]),
        count = codec === 0 ? 1 : int(1, 3),
        magic = codec === 0 ? pick([0, 1] as const) : 1;
      made.push({
        kind: "legacy",
        base,
        magic,
        codec,
        values: Array.from({ length: count }, () => once(6) ? null : pick(VALUES)),
        time: once(4) ? -1 : int(1, 1e6),
        append: codec !== 0 && once(3),
      });
      base += count;
      continue;
    }
    const producer = int(1, 3), began = open.get(producer);
    if (began !== undefined && once(3)) {
      const type = pick(["abort", "commit"] as const);
      if (type === "abort") aborted.push({ producerId: producer, firstOffset: began });
      made.push({ kind: "marker", base, producer, type });
      open.delete(producer);
      base += once(4) ? 3 : 1;
      continue;
    }
    const tx = once(3);
    if (tx && began === undefined) open.set(producer, base);
    let delta = 0;
    const records = Array.from({ length: once(10) ? 0 : int(1, 5) }, () => {
      const record = {
        value: once(8) ? null : pick(VALUES),
        ...(once(4) && { key: pick(["k", "\0\0\0\0", ""]) }),
        time: once(4) ? pick([-5, 2 ** 33, -(2 ** 34), 0]) : int(0, 1000),
        delta,
      };
      delta += once(5) ? int(2, 5) : 1;
      return record;
    });
    const last = once(5) ? delta + int(0, 3) : Math.max(0, records.at(-1)?.delta ?? 0);
    made.push({
      kind: "batch",
      base,
      records,
      codec: once(2) ? 0 : int(1, 4),
      last,
      time: once(6) ? -1 : int(1, 2e12 / 1e6) * 1e6,
      append: once(3),
      producer,
      tx,
    });
    base += last + 1 + (once(6) ? int(1, 4) : 0);
  }
  // What is still open is neither aborted nor committed, and not read here: a fetch ends before it. It counts as committed.
  return { parts: made, aborted };
}

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const { once, pick, int } = chance;
  const { parts: made, aborted } = parts(chance);
  const size = encode(made).length;
  const first = made[0]!.base;
  const kind = once(3) ? "whole" : pick(["checked", "checked", "unchecked"]);
  const cut = kind === "whole" ? (once(5) ? int(0, size) : null) : once(8) ? int(0, size) : null;
  // Mostly one byte: with more of them the first that is met hides the others.
  const damage = kind === "whole"
    ? []
    : Array.from({ length: once(2) ? 1 : int(1, 4) }, () =>
      [int(0, size - 1), once(2) ? 1 << below(8) : int(1, 255)] as const);
  const fetched: Fetched = {
    parts: made,
    from: first + (once(3) ? int(0, 6) : 0),
    aborted: once(2) ? aborted.toReversed() : aborted,
    damage,
    cut,
  };
  return textCase(JSON.stringify(fetched), kind);
}

function encode(made: readonly Part[]): Uint8Array {
  return Buffer.concat(made.map((part) => {
    switch (part.kind) {
      case "batch":
        return encodeBatch({
          baseOffset: part.base,
          records: part.records.map(({ value, key, time, delta }): RecordSpec => ({
            value,
            ...(key !== undefined && { key }),
            timeDelta: time,
            offsetDelta: delta,
          })),
          codec: part.codec,
          lastOffsetDelta: part.last,
          baseTimestamp: part.time,
          maxTimestamp: part.time < 0 ? -1 : part.time + 5,
          appendTime: part.append,
          producerId: part.producer,
          transactional: part.tx,
        });
      case "marker":
        return encodeMarker({ baseOffset: part.base, producerId: part.producer, type: part.type });
      case "legacy": {
        const bytes = (value: string | null) => value === null ? null : new TextEncoder().encode(value);
        if (part.codec === 0) {
          return encodeLegacyMessage({
            offset: part.base,
            magic: part.magic,
            value: bytes(part.values[0]!),
            timestamp: part.time,
          });
        }
        const inner = part.values.map((value, i) =>
          encodeLegacyMessage({ offset: i, magic: 1, value: bytes(value), timestamp: part.time })
        );
        return encodeLegacyMessage({
          offset: part.base + part.values.length - 1,
          magic: 1,
          value: Buffer.concat(inner),
          codec: part.codec,
          timestamp: part.append ? part.time + 9 : part.time,
          appendTime: part.append,
        });
      }
    }
  }));
}

/** `offset time value` of a record. */
type Seen = readonly [offset: number, time: number, value: string | null];

/** The records that a reader of committed ones gets, from what was written alone. */
function expected({ parts: made, from, aborted }: Fetched): Seen[] {
  const hidden = (producer: number, at: number) => {
    const end = (first: number) =>
      made.find((p) => p.kind === "marker" && p.producer === producer && p.base >= first)?.base ?? Infinity;
    return aborted.some(({ producerId, firstOffset }) =>
      producerId === producer && at >= firstOffset && at < end(firstOffset)
    );
  };
  return made.flatMap((part): Seen[] => {
    if (part.kind === "marker") return [];
    if (part.kind === "legacy") {
      const own = part.append ? part.time + 9 : part.time, time = part.magic === 0 || own < 0 ? SENT_AT : own;
      return part.values.map((value, i) => [part.base + i, time, value]);
    }
    if (part.tx && hidden(part.producer, part.base)) return [];
    const stamp = part.append ? (part.time < 0 ? -1 : part.time + 5) : part.time;
    return part.records.map((
      { value, time, delta },
    ) => [part.base + delta, stamp < 0 ? SENT_AT : part.append ? stamp : stamp + time, value]);
  }).filter(([at]) => at >= from);
}

interface Read {
  readonly seen: Seen[];
  readonly next: number;
  readonly fault: BatchReader["fault"];
  /** What is wrong with how they came. */
  readonly disorder: string | null;
}

function read(records: Uint8Array, { from, aborted }: Fetched, checkCrcs: boolean): Read {
  const reader = new BatchReader({ from, records, aborted, sentAt: SENT_AT }, { checkCrcs });
  const seen: Seen[] = [];
  let next = from, disorder: string | null = null;
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for (let portions = 0; !reader.done; portions++) {
    const portion = reader.read();
    if (portion.from !== next || portion.next < portion.from || portions > records.length) {
      disorder ??= `a portion from ${portion.from} to ${portion.next} after ${next}`;
    }
    let last = portion.from - 1;
    for (const run of portion.runs) {
      run.walk(offset(portion.from), (bytes, start, end, at, time) => {
        if (at <= last || at >= portion.next || !Number.isSafeInteger(at)) {
          disorder ??= `offset ${at} after ${last}, before ${portion.next}`;
        }
        if (end !== -1 && !(start >= 0 && start <= end && end <= bytes.length)) {
          disorder ??= `a value from ${start} to ${end} of ${bytes.length}`;
        }
        if (!Number.isFinite(time)) disorder ??= `time ${time}`;
        last = at;
        seen.push([at, time, end < 0 ? null : decoder.decode(bytes.subarray(start, end))]);
      });
    }
    next = portion.next;
  }
  if (reader.fault === null && next !== reader.next) disorder ??= `read to ${next}, announced ${reader.next}`;
  return { seen, next, fault: reader.fault, disorder };
}

/** Bytes in front of a batch's checksum: offset, length, epoch and format; of an old message's: offset and length. */
function isOutside(made: readonly Part[], at: number): boolean {
  let start = 0;
  for (const part of made) {
    const { length } = encode([part]);
    if (at < start + length) return at - start < (part.kind === "legacy" ? 12 : 17);
    start += length;
  }
  return false;
}

const judge: Judge = {
  check(given): Verdict {
    let fetched: Fetched, whole: Uint8Array, wanted: Seen[];
    try {
      fetched = JSON.parse(textOf(given)) as Fetched;
      whole = encode(fetched.parts);
      wanted = expected(fetched);
    } catch {
      return sound("no case");
    }
    const { variant } = given, { cut, damage } = fetched;
    const records = Uint8Array.from(cut === null ? whole : whole.subarray(0, cut));
    for (const [at, xor] of damage) if (at < records.length) records[at]! ^= xor;
    const { seen, fault, disorder } = read(records, fetched, variant !== "unchecked");
    if (disorder !== null) return faulty(variant, disorder);
    if (fault !== null && !["corrupt_batch", "unsupported_codec"].includes(fault.code)) {
      return faulty(variant, `fault ${fault.code}`);
    }
    const text = (records: readonly Seen[]) => JSON.stringify(records);
    if (variant === "whole") {
      const is = fault === null && text(seen) === text(cut === null ? wanted : wanted.slice(0, seen.length));
      return is
        ? sound("whole")
        : faulty(variant, `gives ${text(seen)} and ${JSON.stringify(fault)}, written was ${text(wanted)}`);
    }
    if (variant === "unchecked") return sound(fault === null ? "unchecked taken" : "unchecked refused");
    // Offset, length and epoch of a batch lie outside its checksum: what is damaged there can move or hide records, but make none.
    if (damage.some(([at]) => isOutside(fetched.parts, at))) {
      const written = expected({ ...fetched, from: 0, aborted: [] }).map(([, time, value]) => `${time} ${value}`);
      let found = 0;
      for (const [, time, value] of seen) {
        found = written.indexOf(`${time} ${value}`, found) + 1;
        if (found === 0) return faulty(variant, `gives ${text(seen)}, written was ${JSON.stringify(written)}`);
      }
    } else if (
      text(seen) !== text(wanted.slice(0, seen.length)) ||
      (fault === null && cut === null && seen.length < wanted.length)
    ) {
      return faulty(variant, `gives ${text(seen)} and ${JSON.stringify(fault)}, written was ${text(wanted)}`);
    }
    return sound(fault === null ? "checked taken" : "checked refused");
  },
};

export const batchTarget: Target = {
  name: "batch",
  holds:
    "record batches give what was written; damaged ones a named fault or the same records; offsets ascend and values lie within their bytes, whatever the bytes",
  generate,
  open: () => judge,
  shares: {
    whole: 0.2,
    "checked refused": 0.2,
    "unchecked refused": 0.02,
    "unchecked taken": 0.05,
    "checked taken": 0.01,
  },
  testCases: 2_000,
  isWhole: true,
};
