// What the tables must hold: each partition's log replayed in order by code that shares nothing with the engine but the format of tiny events.
// It believes the database only in this: which commits are in, which idle advances they recorded, and where the rules were switched. Pure.
import { breakdownDifferences, Recount } from "./oracle_breakdown.ts";
import type { KeyHits, State } from "./model_database.ts";
import type { ModelPartition } from "./model_log.ts";
import { hostText, PLACES, readEvent, referrerText } from "./tiny_reader.ts";
import type { SentMove } from "./witness.ts";

export interface OracleRules {
  readonly windowSize: number;
  readonly watermarkDelay: number;
  readonly maxFutureSkew: number;
  readonly latePolicy: "store" | "drop";
  /** Every salt that was made, by id. */
  readonly salts: ReadonlyMap<string, Uint8Array>;
}

/** Every difference between the database and the log, in words; empty = equal. */
export function differences(
  state: State,
  logs: readonly ModelPartition[],
  sent: ReadonlyMap<string, readonly SentMove[]>,
  rules: OracleRules,
): string[] {
  const found: string[] = [];
  const counted = new Map<number, KeyHits>(), late = new Map<number, KeyHits>();
  const recount = new Recount();
  for (const row of state.rows.values()) {
    const moves = state.commits.flatMap((id) => sent.get(id)!.filter((move) => move.partition === row.partition));
    const result = replay(
      logs[row.partition]!,
      versions(state, row.partition),
      row.initialWatermark,
      row.firstOffset,
      moves,
      rules,
      counted,
      late,
      recount,
    );
    const stored = { ...result };
    for (const name of Object.keys(result) as (keyof typeof result)[]) stored[name] = row[name];
    for (const name of Object.keys(result) as (keyof typeof result)[]) {
      if (result[name] !== stored[name]) {
        found.push(`partition ${row.partition}: ${name} is ${stored[name]}, the log gives ${result[name]}`);
      }
    }
  }
  const published = new Map<number, KeyHits>();
  for (const [window, { keys }] of state.closed) merge(published, window, keys);
  for (const { windowStart, keys } of state.open) merge(published, windowStart, keys);
  compare("window", published, counted, found);
  compare("late", state.late, rules.latePolicy === "store" ? late : new Map(), found);
  return [...found, ...breakdownDifferences(state, recount, rules)];
}

/** The version of the rules that holds at an offset, by the switches as they were recorded. */
function versions({ spans }: State, partition: number): (offset: number) => number {
  const own = spans.filter((span) => span.partition === partition);
  return (offset) => Number(JSON.parse(own.findLast(({ from }) => from <= offset)!.rules).version);
}

function replay(
  log: ModelPartition,
  versionAt: (offset: number) => number,
  initialWatermark: number,
  firstOffset: number,
  moves: readonly SentMove[],
  rules: OracleRules,
  countedTables: Map<number, KeyHits>,
  lateTables: Map<number, KeyHits>,
  recount: Recount,
) {
  let watermark = initialWatermark, recordWatermark = -Infinity, maxWindowEnd = -Infinity, nextOffset = firstOffset;
  let counted = 0, late = 0, dead = 0, nulls = 0, skipped = 0;
  for (const move of moves) {
    const advances = [...move.advances];
    const silence = (offset: number) => {
      while (advances.length > 0 && advances[0]!.atOffset <= offset) {
        watermark = Math.max(watermark, advances.shift()!.watermark);
      }
    };
    for (let offset = move.from; offset < move.next; offset++) {
      silence(offset);
      const entry = log.entries.get(offset);
      if (!entry || !log.delivered(entry)) {
        skipped++;
        continue;
      }
      if (entry.value === null) {
        nulls++;
        continue;
      }
      const event = readEvent(entry.value, versionAt(offset));
      const clock = move.stretches.find((s) => s.from <= offset && offset < s.next)?.now ?? NaN;
      const seen = Math.min(entry.recordTime, clock);
      if (event.code !== 0 || event.time - seen > rules.maxFutureSkew) {
        dead++;
        continue;
      }
      const window = event.time - mod(event.time, rules.windowSize);
      const isLate = window + rules.windowSize <= watermark;
      const tables = isLate ? lateTables : countedTables;
      const place = PLACES[event.place]!;
      const key = [
        hostText(event.host),
        referrerText(event.referrer),
        [place.countryCode, place.region, place.city].join("\x1e"),
      ].join("\x1f");
      merge(tables, window, new Map([[key, { hits: 1, bots: event.bot }]]));
      recount.add({ event, window, isLate, counted: move.counted });
      if (isLate) late++;
      else {
        counted++;
        maxWindowEnd = Math.max(maxWindowEnd, window + rules.windowSize);
      }
      recordWatermark = Math.max(recordWatermark, Math.min(event.time, seen) - rules.watermarkDelay);
      watermark = Math.max(watermark, recordWatermark);
    }
    silence(Infinity);
    nextOffset = move.next;
  }
  const lateDropped = rules.latePolicy === "drop" ? late : 0;
  return { nextOffset, watermark, recordWatermark, maxWindowEnd, counted, late, lateDropped, dead, nulls, skipped };
}

const mod = (a: number, b: number) => ((a % b) + b) % b;

function merge(tables: Map<number, KeyHits>, window: number, keys: KeyHits): void {
  const table = tables.get(window) ?? new Map<string, { hits: number; bots: number }>();
  tables.set(window, table);
  for (const [key, { hits, bots }] of keys) {
    const known = table.get(key) ?? { hits: 0, bots: 0 };
    table.set(key, { hits: known.hits + hits, bots: known.bots + bots });
  }
}

function compare(
  name: string,
  stored: ReadonlyMap<number, KeyHits>,
  expected: ReadonlyMap<number, KeyHits>,
  found: string[],
): void {
  for (const window of new Set([...stored.keys(), ...expected.keys()])) {
    const a = stored.get(window) ?? new Map(), b = expected.get(window) ?? new Map();
    for (const key of new Set<string>([...a.keys(), ...b.keys()])) {
      const has = a.get(key), wants = b.get(key);
      if (has?.hits === wants?.hits && has?.bots === wants?.bots) continue;
      found.push(
        `${name} ${window}, ${key.split("\x1f").join(" | ")}: stored ${has?.hits ?? 0} (${
          has?.bots ?? 0
        }), the log gives ${wants?.hits ?? 0} (${wants?.bots ?? 0})`,
      );
    }
  }
}
