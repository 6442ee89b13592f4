// The engine without broker and database: bytes of a fetch → records → events → counts → frozen payload, by the same code as in production.
// Beside it the naive way to do the same, as the yardstick that makes a measurement independent of the machine. No I/O.
import process from "node:process";
import { RULES_1 } from "../src/event/stream_rules.ts";
import { Encoder } from "../src/store/encode.ts";
import type { PartitionRow } from "../src/store/port.ts";
import { createEventReader } from "../src/event/fast_reader.ts";
import { maskPayload } from "../src/event/mask_payload.ts";
import type { GeoDatabase } from "../src/geo/port.ts";
import { createPlaceLocator } from "../src/geo/place_locator.ts";
import { DAY, type DurationMs, type EpochMs, NEVER, type Offset, type PartitionId } from "../src/shared/units.ts";
import { BatchReader } from "../src/source/kafka/decode/batch_reader.ts";
import { Counter } from "../src/window/counter.ts";
import { Delta } from "../src/window/delta.ts";
import { Tracker } from "../src/window/tracker.ts";
import { FIRST_WINDOW, type PartitionBytes, placesOf, type TrafficPlan, WINDOW_MS } from "./traffic.ts";

/** What a fetch brings of one partition. */
const FETCH_BYTES = 1024 * 1024;
const NOW = FIRST_WINDOW + DAY as EpochMs;

/** A database of places as the traffic wants them: 256 addresses a network, spread over the plan's places. */
function placesByAddress(plan: TrafficPlan): GeoDatabase {
  const places = placesOf(plan);
  const database: GeoDatabase = {
    find4: (address) => 1 + (address & 0xffffff) % places,
    find6: () => 0,
    placeOf4: (address) => {
      const place = (address & 0xffffff) % places;
      return { countryCode: "DE", region: `Region ${place % 16}`, city: `City ${place}` };
    },
    placeOf6: () => ({ countryCode: "unknown", region: "", city: "" }),
  };
  return database;
}

/** The engine's path. */
export class EnginePath {
  readonly #trackers: Tracker[];
  readonly #counter: Counter;
  readonly #encoder: Encoder;
  #delta = new Delta(maskPayload);
  /** Bytes of all payloads so far, so that no work can be optimised away. */
  payloadBytes = 0;
  counted = 0;
  keys = 0;

  /** @param maxDeltaKeys keys after which a delta is frozen, as MAX_DELTA_KEYS */
  constructor(plan: TrafficPlan, readonly maxDeltaKeys = 200_000) {
    const places = createPlaceLocator({ v4: placesByAddress(plan), v6: null });
    const reader = createEventReader({
      stream: RULES_1,
      format: "json",
      referrerGranularity: "raw",
      keyBytesMax: 1024,
      trustedProxyHops: 0,
      locator: places,
      hashSeed: 1,
    });
    this.#trackers = Array.from({ length: plan.partitions }, (_, partition) => new Tracker(rowOf(partition), NOW));
    this.#counter = new Counter({
      windowSize: WINDOW_MS as DurationMs,
      watermarkDelay: DAY,
      maxFutureSkew: DAY,
      latePolicy: "store",
      offsetsCountRecords: true,
    }, reader);
    this.#encoder = new Encoder({
      hosts: reader.hosts,
      referrers: reader.referrers,
      place: (id) => places.place(id),
      placeCount: () => places.size,
    });
  }

  /** Reads and counts a slice, freezing deltas as they fill. */
  count(slice: readonly PartitionBytes[]): void {
    for (const { partition, from, bytes } of slice) {
      const tracker = this.#trackers[partition]!;
      for (let position = from, at = 0; at < bytes.length;) {
        const records = bytes.subarray(at, at + FETCH_BYTES);
        const reader = new BatchReader({ from: position, records, aborted: [], sentAt: NOW }, { checkCrcs: true });
        const { next } = reader;
        while (!reader.done) {
          const portion = reader.read();
          this.#counter.count(
            tracker,
            {
              partition: partition as PartitionId,
              from: portion.from as Offset,
              next: portion.next as Offset,
              logStart: 0 as Offset,
              logEnd: Infinity as Offset,
              lastStable: Infinity as Offset,
              sentAt: NOW,
              runs: portion.runs,
            },
            this.#delta,
            NOW,
            NOW,
          );
        }
        if (reader.fault) throw new Error(reader.fault.reason);
        if (next === position) throw new Error("a batch is larger than a fetch");
        at += completeBytes(records);
        position = next;
      }
      if (this.#delta.keys >= this.maxDeltaKeys) this.freeze();
    }
  }

  /** Freezes what is left. */
  freeze(): void {
    const payload = this.#encoder.freeze(this.#delta, this.#trackers, crypto.randomUUID(), "size");
    for (const chunk of payload.chunks) {
      this.payloadBytes += chunk.hostIx.length + chunk.referrerIx.length + chunk.placeIx.length + chunk.keyHits.length +
        chunk.keyBotHits.length + chunk.hosts.length + chunk.referrers.length + chunk.places.length;
    }
    this.counted += payload.records;
    this.keys += payload.keys;
    this.#delta = new Delta(maskPayload);
  }
}

/** Bytes of the complete batches in a fetch that may end within one. */
function completeBytes(records: Uint8Array): number {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  let at = 0;
  while (at + 12 <= records.length && at + 12 + view.getInt32(at + 8) <= records.length) {
    at += 12 + view.getInt32(at + 8);
  }
  return at;
}

function rowOf(partition: number): PartitionRow {
  return {
    partition: partition as PartitionId,
    commitId: "00000000-0000-0000-0000-000000000000",
    nextOffset: 0 as Offset,
    firstOffset: 0 as Offset,
    watermark: NEVER,
    recordWatermark: NEVER,
    maxWindowEnd: NEVER,
    raisedAt: NEVER,
    quietSince: null,
    retired: false,
  };
}

/** The yardstick: values as a client library hands them out, JSON.parse, a Map of places by address, a Map of text keys. */
export class NaivePath {
  readonly #windows = new Map<number, Map<string, { key: string; hits: number }>>();
  readonly #places = new Map<string, { country: string; region: string; city: string }>();
  readonly #placeCount: number;
  counted = 0;

  constructor(plan: TrafficPlan) {
    this.#placeCount = placesOf(plan);
  }

  /** Counts values. */
  count(values: readonly Uint8Array[]): void {
    const decoder = new TextDecoder();
    for (const value of values) {
      const event = JSON.parse(decoder.decode(value));
      const time = Date.parse(event.event_time);
      const start = time - time % WINDOW_MS;
      const place = this.#place(event.ip);
      const key = `${event.host}\t${event.referrer}\t${place.country}\t${place.region}\t${place.city}`;
      let window = this.#windows.get(start);
      if (!window) this.#windows.set(start, window = new Map());
      const row = window.get(key);
      if (row) row.hits++;
      else window.set(key, { key, hits: 1 });
      this.counted++;
    }
  }

  #place(address: string): { country: string; region: string; city: string } {
    let place = this.#places.get(address);
    if (!place) {
      const number = address.split(".").reduce((n, part) => n * 256 + Number(part), 0) % 2 ** 24 % this.#placeCount;
      this.#places.set(address, place = { country: "DE", region: `Region ${number % 16}`, city: `City ${number}` });
    }
    return place;
  }
}

/** The values of a slice, each a copy of its own as kafkajs makes them. */
export function valuesOf(slice: readonly PartitionBytes[]): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (const { from, bytes } of slice) {
    const reader = new BatchReader({ from, records: bytes, aborted: [], sentAt: NOW }, { checkCrcs: false });
    while (!reader.done) {
      const { runs } = reader.read();
      for (const run of runs) run.walk(from as Offset, (buffer, start, end) => values.push(buffer.slice(start, end)));
    }
  }
  return values;
}

/** CPU-microseconds of this process while `work` ran: other jobs on the machine do not count, garbage collection does. */
export async function cpuMicros(work: () => Promise<void> | void): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
