// Counts a range of windows again from the log, with the engine's counter. I/O only through the port; stores nothing.
import { logGone } from "../shared/faults.ts";
import { sameRules, type StreamRules } from "../event/stream_rules.ts";
import type { EventReader } from "../event/types.ts";
import type { PlaceLocator } from "../geo/port.ts";
import { type EpochMs, type Offset, offset } from "../shared/units.ts";
import type { FetchedBatch } from "../source/port.ts";
import { Counter, type CountingRules } from "../window/counter.ts";
import { Encoder } from "../store/encode.ts";
import { Delta } from "../window/delta.ts";
import type { KeyTable } from "../window/key_table.ts";
import type { LogReader } from "./log_reader.ts";
import { rulesAt, type RuleSpan } from "./rules_store.ts";
import type { ReplayTask } from "./replay_plan.ts";
import { pairsOf } from "./replay_breakdowns.ts";
import { addTo, type Hits, keyOf, type Tables } from "./replay_tables.ts";
import { freshTracker } from "./topic_sample.ts";

/** Larger dictionaries are emptied: a long log has more texts than the range. */
const DICTIONARY_BYTES_MAX = 96 * 1024 * 1024;

/** What was counted again. */
export interface Replayed extends Tables {
  /** Hits by `pairKey`, of the dimensions that the reader counts. */
  readonly pairs: Map<string, Hits>;
}

interface ReplayOptions {
  readonly log: LogReader;
  readonly events: EventReader;
  readonly places: PlaceLocator;
  readonly rules: CountingRules;
  /** The rules by which the stream read each partition. */
  readonly spans: readonly RuleSpan[];
  /** The windows in `[from, to)`. */
  readonly from: EpochMs;
  readonly to: EpochMs;
  /** Our clock. */
  readonly now: EpochMs;
  readonly signal: AbortSignal;
  readonly onProgress?: (partition: number, done: number, total: number) => void;
}

/**
 * Reads every task to its end and returns the rows of the range.
 *
 * @throws NamedError `log_gone` if the log has changed since the plan was made
 */
export async function replay(tasks: readonly ReplayTask[], options: ReplayOptions): Promise<Replayed> {
  const tables: Replayed = { counted: new Map(), late: new Map(), records: 0, pairs: new Map() };
  const counter = new Counter(options.rules, options.events);
  for (const task of tasks) await replayPartition(task, counter, options, tables);
  return tables;
}

async function replayPartition(
  task: ReplayTask,
  counter: Counter,
  options: ReplayOptions,
  tables: Replayed,
): Promise<void> {
  const { log, events, now, signal } = options;
  const tracker = freshTracker(task.partition, task.from.offset, now);
  tracker.watermark = task.from.watermark;
  const newDelta = () => new Delta(() => "", events.breakdown?.counted);
  let delta = newDelta();
  const advances = [...task.advances];
  const spans = options.spans.filter(({ partition }) => partition === task.partition);
  let rules: StreamRules | null = null;
  while (tracker.position < task.to && !signal.aborted) {
    const skip = task.skips.find(({ from }) => from === tracker.position);
    if (skip !== undefined) tracker.position = skip.to;
    const batches = await log.read(task.partition, tracker.position);
    const readTo = batches.at(-1)?.next ?? tracker.position;
    if (readTo === tracker.position) {
      throw logGone(`Partition ${task.partition} ends at ${tracker.position} and was read up to ${task.to}.`);
    }
    for (const batch of batches) {
      for (
        const part of parts(batch, task, [
          ...advances.map(({ atOffset }) => atOffset),
          ...spans.map(({ from }) => from),
        ])
      ) {
        const inForce = rulesAt(spans, task.partition, part.from);
        if (rules === null || !sameRules(rules, inForce)) {
          // Ids of the old rules are not valid under the new ones.
          collect(delta, options, tables);
          delta = newDelta();
          events.use(inForce);
          rules = inForce;
        }
        // An advance applies to records at or above its offset.
        while (advances[0] !== undefined && advances[0].atOffset <= part.from) {
          const { watermark } = advances.shift()!;
          if (watermark > tracker.watermark) tracker.watermark = watermark;
        }
        counter.count(tracker, part, delta, now, now);
      }
      keepRange(delta, options);
      if (tracker.position >= task.to) break;
    }
    if (events.memoryBytes > DICTIONARY_BYTES_MAX) {
      collect(delta, options, tables);
      delta = newDelta();
      events.reset();
    }
    options.onProgress?.(task.partition, tracker.position - task.from.offset, task.to - task.from.offset);
  }
  collect(delta, options, tables);
  const { counted, late, dead, nulls } = tracker.tally;
  tables.records += counted + late + dead + nulls;
}

/** The batch, cut at the offsets of `at` and at the task's end. */
function parts(batch: FetchedBatch, task: ReplayTask, at: readonly Offset[]): FetchedBatch[] {
  const end = offset(Math.min(batch.next, task.to));
  const cuts = [...new Set(at)].filter((cut) => cut > batch.from && cut < end).sort((a, b) => a - b);
  const edges = [batch.from, ...cuts, end];
  return edges.slice(0, -1).map((from, i) => between(batch, from, edges[i + 1]!));
}

/** The records of a batch in `[from, next)`. */
function between(batch: FetchedBatch, from: Offset, next: Offset): FetchedBatch {
  if (next === batch.next) return { ...batch, from };
  const runs = batch.runs.map((run): typeof run => ({
    walk: (start, visit) =>
      run.walk(start, (bytes, at, end, position, recordTime) => {
        if (position < next) visit(bytes, at, end, position, recordTime);
      }),
  }));
  return { ...batch, from, next, runs };
}

/** Deletes windows outside the range: those of a long log do not fit in memory. */
function keepRange(delta: Delta, { from, to }: ReplayOptions): void {
  for (const tables of [delta.windows, delta.late]) {
    for (const start of tables.keys()) if (start < from || start >= to) tables.delete(start);
  }
}

function collect(delta: Delta, options: ReplayOptions, tables: Replayed): void {
  keepRange(delta, options);
  for (const [start, table] of delta.windows) add(tables.counted, start, table, options);
  for (const [start, table] of delta.late) add(tables.late, start, table, options);
  if (options.events.breakdown !== null) addPairs(delta, options, tables);
}

/** Adds the breakdowns of the chunks that an engine would send. */
function addPairs(delta: Delta, { events, places }: ReplayOptions, { pairs }: Replayed): void {
  const encoder = new Encoder({
    hosts: events.hosts,
    referrers: events.referrers,
    place: (id) => places.place(id),
    placeCount: () => places.size,
    breakdown: events.breakdown,
  });
  for (const [tables, late] of [[delta.windows, false], [delta.late, true]] as const) {
    for (const [start, table] of tables) {
      for (const [key, hits] of pairsOf(encoder.chunk(start, table, late))) addTo(pairs, key, hits);
    }
  }
}

function add(hits: Map<string, Hits>, window: number, table: KeyTable, { events, places }: ReplayOptions): void {
  for (let i = 0; i < table.size; i++) {
    const place = places.place(table.place[i]!);
    const key = keyOf({
      window,
      host: events.hosts.text(table.host[i]!),
      referrer: events.referrers.text(table.referrer[i]!),
      ...place,
    });
    addTo(hits, key, { hits: table.keyHits[i]!, bots: table.keyBotHits[i]! });
  }
}
