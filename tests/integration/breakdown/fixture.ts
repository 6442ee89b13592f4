// Hits with pages, clients, campaigns and channels, committed through the store into a real database, and their naive recount.
import { assertEquals } from "@std/assert";
import postgres from "postgres";
import { silentLog } from "../../../src/shared/log.ts";
import { migrate } from "../../../src/store/migrate.ts";
import type { Chunk, ChunkBreakdown, CommitOutcome, CommitPayload, Store } from "../../../src/store/port.ts";
import { Database } from "../../../src/store/postgres/client.ts";
import { createPostgresStore } from "../../../src/store/postgres/store.ts";
import { chunk, partition, payload, SETTINGS } from "../../contract/store_contract.ts";
import type { TestPostgres } from "../../support/postgres.ts";

export const MIN = 60_000;
export const HOUR = 60 * MIN;
export const DAY = 24 * HOUR;
/** Start of the first UTC day of the data. */
export const DAY0 = Date.UTC(2026, 2, 1);
export const ALL = 31;
const OTHER = "(other)";

export interface Hit {
  readonly window: number;
  readonly host: string;
  /** Page, client, campaign, channel. */
  readonly values: readonly [string, string, string, string];
  readonly bot?: boolean;
}

/** Hits and bot hits by value, in order of the value's UTF-16 units. */
export type Counts = readonly (readonly [value: string, hits: number, bots: number])[];

/** Adds up one dimension (1 to 4) naively. */
export function counted(hits: readonly Hit[], dimension: number, hosts: readonly string[] | null = null): Counts {
  const sums = new Map<string, [number, number]>();
  for (const { host, values, bot } of hits) {
    if (hosts !== null && !hosts.includes(host)) continue;
    const value = values[dimension - 1]!, sum = sums.get(value) ?? [0, 0];
    sums.set(value, [sum[0] + 1, sum[1] + (bot ? 1 : 0)]);
  }
  return ordered([...sums].map(([value, [hits, bots]]) => [value, hits, bots]));
}

/** In the order of the reports of {@link Rig}. */
export const ordered = (counts: Counts): Counts => [...counts].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

const UTF8 = new TextEncoder();
/** The order of bytes. */
export function byBytes(a: string, b: string): number {
  const x = UTF8.encode(a), y = UTF8.encode(b);
  for (let i = 0; i < x.length && i < y.length; i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
  return x.length - y.length;
}

/** Folds the values of one host to `most`, as a closing and a roll-up must: largest kept, then first by bytes; what was folded stays folded. */
export function folded(counts: Counts, most: number): Counts {
  if (counts.length <= most) return counts;
  const ranked = [...counts].sort((a, b) =>
    Number(a[0] === OTHER) - Number(b[0] === OTHER) || b[1] - a[1] || byBytes(a[0], b[0])
  );
  const rest = ranked.slice(most - 1);
  const sum = (at: 1 | 2) => rest.reduce((all, count) => all + count[at], 0);
  return ordered([...ranked.slice(0, most - 1), [OTHER, sum(1), sum(2)]]);
}

/** The chunk of hits of one window, as the engine encodes it. */
export function chunkOf(hits: readonly Hit[], mask = ALL, late = false): Chunk {
  const rows = chunk(hits[0]!.window, hits.map(({ host, bot }) => [host, "", 1, bot ? 1 : 0] as const), late);
  return { ...rows, breakdown: mask === 0 ? null : breakdownOf(rows.hosts.split("\x1f"), hits, mask) };
}

function breakdownOf(hosts: readonly string[], hits: readonly Hit[], mask: number): ChunkBreakdown {
  const values: string[] = [],
    ends: number[] = [],
    pairs: [host: number, value: number, hits: number, bots: number][] = [];
  for (let dimension = 0; dimension < 4; dimension++) {
    const own = new Map<string, number>(), found = new Map<string, (typeof pairs)[number]>();
    for (const hit of mask >> dimension & 1 ? hits : []) {
      const value = hit.values[dimension]!, host = hosts.indexOf(hit.host) + 1;
      if (!own.has(value)) own.set(value, values.push(value));
      const key = `${host} ${value}`;
      if (!found.has(key)) found.set(key, [host, own.get(value)!, 0, 0]);
      const pair = found.get(key)!;
      pair[2]++;
      if (hit.bot) pair[3]++;
    }
    pairs.push(...found.values());
    ends.push(pairs.length);
  }
  const column = (at: number) => pairs.map((pair) => pair[at]).join();
  return {
    mask,
    values: values.map((value) => `${value}\x1f`).join(""),
    ends: ends.join(),
    hostIx: column(0),
    valueIx: column(1),
    hits: column(2),
    botHits: column(3),
  };
}

export interface Rig extends AsyncDisposable {
  readonly sql: postgres.Sql;
  readonly url: string;
  readonly database: Database;
  readonly store: Store;
  /** Sends chunks as one commit that moves the partition by their hits. */
  commit(
    chunks: readonly Chunk[],
    more?: Partial<CommitPayload> & { readonly watermark?: number },
  ): Promise<CommitOutcome>;
  /** Closes what the watermark has passed; returns how many windows. */
  close(): Promise<number>;
  /** One dimension in `[from, to)` by the SQL function. */
  report(dimension: number, from: number, to: number, options?: ReportOptions): Promise<Counts>;
  faults(): Promise<string[]>;
}

interface ReportOptions {
  readonly hosts?: readonly string[] | null;
  readonly late?: boolean;
  readonly limit?: number | null;
}

/** A migrated database with a stream of one partition. @param valuesMax BREAKDOWN_VALUES_MAX */
export async function breakdownRig(server: TestPostgres, valuesMax = 1_000, maxWindowPairs = 1_000_000): Promise<Rig> {
  const url = await server.createDatabase();
  const database = new Database({
    address: { kind: "url", url },
    schema: "public",
    applicationName: "breakdown",
    max: 3,
    statementTimeoutMs: 60_000,
  });
  await migrate(database, "public", silentLog);
  const store = createPostgresStore({
    commits: database,
    database,
    instance: "a",
    maxKeysPerWindow: 100_000,
    breakdownValuesMax: valuesMax,
    maxWindowPairs,
    commitTimeoutMs: 30_000,
  });
  await store.join(SETTINGS, [partition(0)]);
  const sql = postgres(url, { max: 3, onnotice: () => {}, connection: { TimeZone: "UTC" } });
  return {
    sql,
    url,
    database,
    store,
    async commit(chunks, { watermark, ...more } = {}) {
      const sum = (late: boolean) =>
        chunks.filter((chunk) => chunk.late === late).reduce((all, { hits }) => all + hits, 0);
      const from = (await store.read())!.rows[0]!.nextOffset;
      const step = {
        to: from + sum(false) + sum(true),
        late: sum(true),
        ...(watermark !== undefined && { watermark }),
      };
      return await store.commit({ ...await payload(store, { 0: step }, chunks), ...more });
    },
    async close() {
      for (let closed = 0;; closed++) {
        const outcome = await store.close();
        if (outcome.kind !== "closed") {
          assertEquals(outcome.kind, "nothing");
          return closed;
        }
      }
    },
    async report(dimension, from, to, { hosts = null, late = false, limit = null } = {}) {
      const rows = await sql<{ value: string; hits: number; bots: number }[]>`
        select value, num_hits::int as hits, bot_hits::int as bots
        from tidemark_breakdown_v1(${dimension}::smallint, '{7}', array[${new Date(
        from,
      )}]::timestamptz[], array[${new Date(to)}]::timestamptz[], ${hosts as
        | string[]
        | null}::text[], ${late}::boolean, ${limit}::integer) where bucket = 7`;
      return ordered(rows.map(({ value, hits, bots }) => [value, hits, bots]));
    },
    async faults() {
      const rows = await sql<{ fault: string }[]>`
        select concat_ws(' ', what, dimension, to_char(window_start, 'DD HH24:MI'), expected, found) as fault
        from tidemark_breakdown_faults_v1('2000-01-01', '2100-01-01') order by 1`;
      return rows.map(({ fault }) => fault);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([database.close(200), sql.end({ timeout: 1 })]);
    },
  };
}

/** Texts that a client may send: quotes, braces, separators of arrays and of JSON, percent signs, scripts of several planes, long ones. */
export const HOSTILE = [
  "/",
  `/"quoted"`,
  "/back\\slash\\",
  "/{a,b}",
  "/null",
  "NULL",
  "/'; drop table stream; --",
  "/%00%",
  "/ä/東京/🦀",
  "/A",
  "/a",
  "/a/",
  `/${"x".repeat(1_000)}`,
  "/$1$$",
  "/\u0085\u2028",
  "/tab\tend",
] as const;
