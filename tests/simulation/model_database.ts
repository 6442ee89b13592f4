// What ddl/ does, statement by statement, over plain objects: join, read, commit, close, stop, backup, restore. Each method is one statement (a
// closing is two steps, so that commits can fall between them). `Guards` can take single checks away, to see that the suite notices. Pure.
import type { Chunk, CommitPayload, IdleAdvance, NewPartition, StreamSettings } from "../../src/store/port.ts";
import { rulesJson } from "../../src/event/stream_rules.ts";
import type { StopCode } from "../../src/shared/errors.ts";
import { NEVER } from "../../src/shared/units.ts";
import {
  addUpdates,
  type Breakdown,
  copyVisitors,
  dayEnd,
  decodeBreakdown,
  DIMENSIONS,
  hasDimension,
  merged,
  noVisitors,
  type SaltRow,
  type VisitorState,
} from "./model_breakdown.ts";

/** Checks that live in SQL. All true, except in a mutation run. */
export interface Guards {
  readonly compareIds: boolean;
  readonly compareOffsets: boolean;
  readonly allOrNothing: boolean;
  readonly lockOnClose: boolean;
  readonly watermarksAfterLock: boolean;
  readonly minimumOverAll: boolean;
  readonly newPartitionAtClosedThrough: boolean;
  readonly joinKeepsRows: boolean;
  readonly switchFences: boolean;
  readonly compareSalts: boolean;
  readonly dimensionsOfAllChunks: boolean;
  readonly saltsEnd: boolean;
}

export const ALL_GUARDS: Guards = {
  compareIds: true,
  compareOffsets: true,
  allOrNothing: true,
  lockOnClose: true,
  watermarksAfterLock: true,
  minimumOverAll: true,
  newPartitionAtClosedThrough: true,
  joinKeepsRows: true,
  switchFences: true,
  compareSalts: true,
  dimensionsOfAllChunks: true,
  saltsEnd: true,
};

export interface Row {
  partition: number;
  commitId: string;
  nextOffset: number;
  firstOffset: number;
  watermark: number;
  recordWatermark: number;
  maxWindowEnd: number;
  raisedAt: number;
  quietSince: number | null;
  counted: number;
  late: number;
  lateDropped: number;
  dead: number;
  nulls: number;
  skipped: number;
  retired: boolean;
  /** Watermark with which the row was made: for the oracle. */
  initialWatermark: number;
}

/** Hits by key text. */
export type KeyHits = Map<string, { hits: number; bots: number }>;

export interface OpenDelta {
  readonly windowStart: number;
  readonly commitId: string;
  readonly hits: number;
  readonly botHits: number;
  readonly keys: KeyHits;
  readonly breakdown: Breakdown;
}

export interface ClosedWindow {
  readonly hits: number;
  readonly botHits: number;
  readonly keys: KeyHits;
  readonly breakdown: Breakdown;
}

/** Idle advances as recorded, and how the caller of a commit read what it moves over. */
export interface Advance extends IdleAdvance {
  readonly partition: number;
}

/** Rules of one partition from an offset on. */
export interface Span {
  readonly partition: number;
  readonly from: number;
  readonly rules: string;
}

export interface State {
  stream: {
    settings: StreamSettings;
    topicId: string | null;
    closedThrough: number;
    stopped: string | null;
    revision: number;
    /** As `rulesJson` writes them. */
    rules: string;
  } | null;
  /** From where on each partition is read by which rules, in the order of the switches. */
  spans: Span[];
  rows: Map<number, Row>;
  open: OpenDelta[];
  closed: Map<number, ClosedWindow>;
  late: Map<number, KeyHits>;
  /** Breakdowns of late records, one for each chunk. */
  lateBreakdowns: { readonly windowStart: number; readonly breakdown: Breakdown }[];
  visitors: VisitorState;
  advances: Advance[];
  deadCounts: Map<string, number>;
  /** Ids of the commits that are in, in order. */
  commits: string[];
}

const emptyState = (): State => ({
  stream: null,
  spans: [],
  rows: new Map(),
  open: [],
  closed: new Map(),
  late: new Map(),
  lateBreakdowns: [],
  visitors: noVisitors(),
  advances: [],
  deadCounts: new Map(),
  commits: [],
});

/** An error of the database, by its SQLSTATE in ddl/. */
export class SqlError extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

export interface CloseStep {
  readonly through: number;
  readonly window: number | null;
  readonly deltas: readonly OpenDelta[];
}

export class ModelDatabase {
  state = emptyState();
  /** Set while a closing or joining transaction holds the stream row. */
  streamLock: symbol | null = null;
  /** Rules of a stream that an older release has made; null = those of the first join. */
  madeByRules: string | null = null;
  readonly guards: Guards;
  /** Every salt that was ever made, by id: for the oracle. */
  readonly saltsMade = new Map<string, Uint8Array>();
  readonly #newId: () => string;

  constructor(guards: Guards, newId: () => string) {
    this.guards = guards;
    this.#newId = newId;
  }

  /** tidemark_join_v2; the caller has waited for the stream row. */
  join(settings: StreamSettings, partitions: readonly NewPartition[], now: number): void {
    const { state, guards } = this;
    state.stream ??= {
      settings,
      topicId: settings.topicId,
      closedThrough: NEVER,
      stopped: null,
      revision: 0,
      rules: this.madeByRules ?? rulesJson(settings.rules),
    };
    const stored = state.stream.settings;
    for (const name of ["source", "topic", "group", "windowSizeMs", "referrerGranularity", "keyBytesMax"] as const) {
      if (stored[name] !== settings[name]) throw new SqlError("TM003", `${name} is ${stored[name]}`);
    }
    state.stream.topicId ??= settings.topicId;
    const first = state.rows.size === 0;
    for (const { partition, startOffset, logStart } of partitions) {
      if (state.rows.has(partition) && guards.joinKeepsRows) continue;
      const offset = first ? startOffset : logStart;
      state.spans.push({ partition, from: offset, rules: state.stream.rules });
      const watermark = guards.newPartitionAtClosedThrough ? state.stream.closedThrough : NEVER;
      state.rows.set(partition, {
        partition,
        commitId: this.#newId(),
        nextOffset: offset,
        firstOffset: offset,
        watermark,
        recordWatermark: NEVER,
        maxWindowEnd: NEVER,
        raisedAt: now,
        quietSince: null,
        counted: 0,
        late: 0,
        lateDropped: 0,
        dead: 0,
        nulls: 0,
        skipped: 0,
        retired: false,
        initialWatermark: watermark,
      });
    }
  }

  /** tidemark_switch_rules_v1; the caller has waited for the stream row. */
  switchRules(rules: string): void {
    const { state } = this;
    if (!state.stream || state.stream.rules === rules) return;
    state.stream.rules = rules;
    for (const row of state.rows.values()) {
      if (this.guards.switchFences) row.commitId = this.#newId();
      state.spans.push({ partition: row.partition, from: row.nextOffset, rules });
    }
  }

  /** tidemark_salts_v1: the salts of these days, made where an open day has none. */
  salts(days: readonly string[]): (SaltRow & { readonly day: string })[] {
    const { stream, visitors } = this.state;
    for (const day of days) {
      if (visitors.salts.has(day) || !stream || dayEnd(day) <= stream.closedThrough) continue;
      const id = this.#newId();
      const salt = Uint8Array.from(id.replaceAll("-", "").matchAll(/../g), ([hex]) => Number.parseInt(hex, 16));
      visitors.salts.set(day, { id, salt });
      this.saltsMade.set(id, salt);
    }
    return days.flatMap((day) => {
      const row = visitors.salts.get(day);
      return row === undefined ? [] : [{ day, ...row }];
    });
  }

  /** A failover: the salts for which nothing is stored yet are gone. Returns whether there were any. */
  loseSalt(): boolean {
    const { salts, used } = this.state.visitors;
    const lost = [...salts.keys()].filter((day) => !used.has(day));
    for (const day of lost) salts.delete(day);
    return lost.length > 0;
  }

  /** Days that are closed lose their salt. */
  #closeDays(): void {
    const { stream, visitors } = this.state;
    if (!this.guards.saltsEnd || !stream) return;
    for (const day of [...visitors.salts.keys()]) if (dayEnd(day) <= stream.closedThrough) visitors.salts.delete(day);
  }

  /** tidemark_commit_v3. Throws TM001 and changes nothing when one row has moved, and TM008 when a day has another salt. */
  commit(payload: CommitPayload): void {
    const { state, guards } = this;
    const matches = payload.moves.map((move) => {
      const row = state.rows.get(move.partition);
      return row !== undefined && !row.retired && (!guards.compareIds || row.commitId === move.oldCommitId) &&
        (!guards.compareOffsets || row.nextOffset === move.oldNextOffset);
    });
    if (guards.allOrNothing ? matches.includes(false) : !matches.includes(true)) throw new SqlError("TM001", "fenced");
    for (const { day, saltId } of payload.visitors) {
      if (guards.compareSalts && state.visitors.salts.get(day)?.id !== saltId) {
        throw new SqlError("TM008", `salt of ${day}`);
      }
    }
    payload.moves.forEach((move, i) => {
      if (!matches[i]) return;
      const row = state.rows.get(move.partition)!;
      row.commitId = payload.commitId;
      row.nextOffset = move.nextOffset;
      row.watermark = Math.max(row.watermark, move.watermark);
      row.recordWatermark = Math.max(row.recordWatermark, move.recordWatermark);
      row.maxWindowEnd = Math.max(row.maxWindowEnd, move.maxWindowEnd);
      row.raisedAt = Math.round(move.raisedAt);
      row.quietSince = move.quietSince;
      row.counted += move.counted;
      row.late += move.late;
      row.lateDropped += move.lateDropped;
      row.dead += move.dead;
      row.nulls += move.nulls;
      row.skipped += move.skipped;
      for (const advance of move.idleAdvances) state.advances.push({ partition: move.partition, ...advance });
    });
    for (const chunk of payload.chunks) {
      const keys = decodeChunk(chunk), breakdown = breakdownOf(chunk);
      const { windowStart, hits, botHits } = chunk;
      if (chunk.late) {
        addKeys(state.late, windowStart, keys);
        state.lateBreakdowns.push({ windowStart, breakdown });
      } else state.open.push({ windowStart, commitId: payload.commitId, hits, botHits, keys, breakdown });
    }
    for (const updates of payload.visitors) addUpdates(state.visitors, updates);
    for (const { partition, reason, records } of payload.dead?.counts ?? []) {
      const key = `${partition}/${reason}`;
      state.deadCounts.set(key, (state.deadCounts.get(key) ?? 0) + records);
    }
    state.commits.push(payload.commitId);
  }

  /** First half of tidemark_close_v2: watermarks and the oldest window, read after the lock was taken. */
  closeBegin(): CloseStep {
    const { state, guards } = this;
    if (!state.stream) return { through: NEVER, window: null, deltas: [] };
    const size = state.stream.settings.windowSizeMs;
    const rows = [...state.rows.values()].filter((row) =>
      !row.retired && (guards.minimumOverAll || row.nextOffset > row.firstOffset)
    );
    const through = rows.reduce((least, row) => Math.min(least, row.watermark), rows.length === 0 ? NEVER : Infinity);
    const oldest = state.open.reduce((least, delta) => Math.min(least, delta.windowStart), Infinity);
    const floor = (time: number) => Math.floor(time / size) * size;
    const { closedThrough } = state.stream;
    if (through > closedThrough && (closedThrough === NEVER || floor(through) > floor(closedThrough))) {
      state.stream.closedThrough = through;
      this.#closeDays();
    }
    const window = oldest + size <= through ? oldest : null;
    return { through, window, deltas: state.open.filter((delta) => delta.windowStart === window) };
  }

  /** Second half: rows written, deltas gone. Throws TM004 where they do not add up. */
  closeEnd(step: CloseStep): { readonly hits: number; readonly rows: number } {
    const { state } = this;
    const window = step.window!;
    const keys: KeyHits = new Map();
    const deltas = state.open.filter((delta) => delta.windowStart === window);
    for (const delta of deltas) addHits(keys, delta.keys);
    const sum = { hits: 0, bots: 0 };
    for (const { hits, bots } of keys.values()) sum.hits += hits, sum.bots += bots;
    const expected = step.deltas.reduce((all, d) => ({ hits: all.hits + d.hits, bots: all.bots + d.botHits }), {
      hits: 0,
      bots: 0,
    });
    if (sum.hits !== expected.hits || sum.bots !== expected.bots) {
      throw new SqlError("TM004", `window ${window} holds ${sum.hits} hits, its deltas ${expected.hits}`);
    }
    // web_traffic_window's primary key: a window is closed once.
    if (this.guards.lockOnClose && state.closed.has(window)) throw new SqlError("23505", `window ${window} is closed`);
    const before = state.closed.get(window);
    const breakdown = merged(deltas.map((delta) => delta.breakdown), this.guards.dimensionsOfAllChunks);
    for (const dimension of DIMENSIONS) {
      if (!hasDimension(breakdown.mask, dimension)) continue;
      let hits = 0, bots = 0;
      for (const pair of breakdown.dimensions[dimension].values()) hits += pair.hits, bots += pair.bots;
      if (hits !== expected.hits || bots !== expected.bots) {
        throw new SqlError("TM004", `window ${window}: ${dimension} sums to ${hits}, its deltas to ${expected.hits}`);
      }
    }
    if (before) addHits(keys, before.keys);
    state.closed.set(window, {
      hits: sum.hits + (before?.hits ?? 0),
      botHits: sum.bots + (before?.botHits ?? 0),
      keys,
      breakdown: before ? merged([before.breakdown, breakdown], true) : breakdown,
    });
    state.open = state.open.filter((delta) => delta.windowStart !== window);
    state.stream!.closedThrough = Math.max(state.stream!.closedThrough, step.through);
    this.#closeDays();
    state.stream!.revision++;
    return { hits: sum.hits, rows: keys.size };
  }

  stop(code: StopCode): void {
    if (this.state.stream && this.state.stream.stopped === null) this.state.stream.stopped = code;
  }

  backup(): State {
    return copyState(this.state);
  }

  restore(backup: State): void {
    this.state = copyState(backup);
    this.streamLock = null;
  }
}

function breakdownOf(chunk: Chunk): Breakdown {
  try {
    return decodeBreakdown(chunk);
  } catch (error) {
    throw new SqlError("chunk", (error as Error).message);
  }
}

/** Reads a chunk as ddl/ does: texts end in U+001F, places split at U+001E, numbers at commas, positions from 1. */
export function decodeChunk(chunk: Chunk): KeyHits {
  const texts = (list: string) => list.split("\x1f").slice(0, -1);
  const numbers = (list: string) => list.split(",").map(Number);
  const hosts = texts(chunk.hosts), referrers = texts(chunk.referrers), places = texts(chunk.places);
  const columns = [chunk.hostIx, chunk.referrerIx, chunk.placeIx, chunk.keyHits, chunk.keyBotHits].map(numbers);
  const keys: KeyHits = new Map();
  let hits = 0, bots = 0;
  for (let i = 0; i < chunk.keys; i++) {
    const [host, referrer, place, keyHits, keyBots] = columns.map((column) => column[i]!) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const key = [hosts[host - 1], referrers[referrer - 1], places[place - 1]].join("\x1f");
    if (keys.has(key) || key.includes("undefined")) {
      throw new SqlError("chunk", `key ${key} is not unique or not there`);
    }
    keys.set(key, { hits: keyHits, bots: keyBots });
    hits += keyHits;
    bots += keyBots;
  }
  if (columns.some((column) => column.length !== chunk.keys)) throw new SqlError("chunk", "columns differ in length");
  if (hits !== chunk.hits || bots !== chunk.botHits) throw new SqlError("chunk", "hits do not sum to the chunk's");
  return keys;
}

export function addHits(into: KeyHits, keys: KeyHits): void {
  for (const [key, { hits, bots }] of keys) {
    const known = into.get(key);
    if (known) known.hits += hits, known.bots += bots;
    else into.set(key, { hits, bots });
  }
}

function addKeys(into: Map<number, KeyHits>, window: number, keys: KeyHits): void {
  let table = into.get(window);
  if (!table) into.set(window, table = new Map());
  addHits(table, keys);
}

/** Deltas and closed windows are never changed once made, except by a mutated closing, which replaces them. */
function copyState(state: State): State {
  return {
    stream: state.stream && { ...state.stream },
    spans: [...state.spans],
    rows: new Map([...state.rows].map(([partition, row]) => [partition, { ...row }])),
    open: [...state.open],
    closed: new Map(state.closed),
    late: new Map(
      [...state.late].map(([window, keys]) => [window, new Map([...keys].map(([key, hits]) => [key, { ...hits }]))]),
    ),
    lateBreakdowns: [...state.lateBreakdowns],
    visitors: copyVisitors(state.visitors),
    advances: [...state.advances],
    deadCounts: new Map(state.deadCounts),
    commits: [...state.commits],
  };
}
