// How long the dashboard takes over many aggregate rows: `deno task bench pages [rows] [--keep] [--only TEXT]`. See data.ts for the database.
// Renders `/` in this process, as `tidemark serve` does with its default settings, once without being measured (warm) and then several times;
// each time without the answers that readers share. A page that takes seconds is rendered twice. `reads`: the sum of what the page reads; it
// reads several at a time.
import { createApp } from "../../src/http/server/app.ts";
import { APP_DEFAULTS } from "../../src/http/server/deps.ts";
import { createLog } from "../../src/shared/log.ts";
import { Registry } from "../../src/shared/metrics.ts";
import type { ReadDatabase, Sql } from "../../src/shared/sql.ts";
import { durationMs, epochMs } from "../../src/shared/units.ts";
import { VERSION } from "../../src/shared/version.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { median, numberFlag, textFlag, write } from "../support.ts";
import { FIRST_DAY, LAST_DAY, reportDatabase } from "./data.ts";

const REPEATS = 7, SLOW_REPEATS = 2, SLOW_MS = 1_500;
const DEADLINE_MS = durationMs(60_000);
const NOW = epochMs(Date.parse(`${LAST_DAY}T23:59:00Z`));
/** The default of POSTGRES_CONNECTIONS. */
const CONNECTIONS = numberFlag("connections", 5);
/** Targets for the median, in ms. */
const GOAL_MS = 100, FILTERED_GOAL_MS = 2_000;

/** By field: each operator, and what it excludes. Shares of the hits differ from 0.1 to 90 per cent. */
const FILTERS = [
  "",
  "host:is:host1",
  "host:is:host30",
  "host:starts:host1",
  "host:contains:st2",
  "host:is_not:host1",
  "referrer:is:https://ref7.example/",
  "referrer:starts:https://ref1",
  "referrer:contains:ref7",
  "referrer:not_contains:ref7",
  "source:is:ref7.example",
  "source:is_not:ref7.example",
  "channel:is:direct",
  "channel:is_not:direct",
  "country:is:BA",
  "country:starts:B",
  "country:is_not:BA",
  "region:is:Region 7",
  "region:contains:gion 1",
  "region:is_not:Region 7",
  "city:is:City 7",
  "city:starts:City 1",
  "city:contains:ty 12",
  "city:is_not:City 7",
  "host:is:host1;country:is:BA",
  "host:is:host1;referrer:contains:ref7;country:is_not:BA",
];

/** A read by the first function that it calls of these; `tidemark_series_v2` is in most of them. */
const NAMES = [
  ["contribution_report_v2", "contributions"],
  ["tidemark_key_days_v2", "forecast"],
  ["tidemark_breakdown_v1", "breakdowns"],
  ["tidemark_visitors_v1", "visitors"],
  ["tidemark_hits_v2", "ranking by"],
  ["tidemark_series_v2", "time series"],
] as const;

const rows = /^\d+$/.test(Deno.args[0] ?? "") ? Number(Deno.args[0]) : 10_000_000;
const only = textFlag("only");
const faults = createLog({ level: "warn", format: "text", colour: false, write, now: () => NOW });
await using made = await reportDatabase(rows, Deno.args.includes("--keep"));
const database = new Database({
  address: { kind: "url", url: made.url },
  schema: "public",
  applicationName: "page bench",
  max: CONNECTIONS,
  statementTimeoutMs: DEADLINE_MS,
  readOnly: true,
});

interface Read {
  readonly name: string;
  readonly ms: number;
}

interface Render {
  readonly ms: number;
  readonly reads: readonly Read[];
  readonly bytes: number;
}

try {
  write(
    [
      "page".padEnd(58),
      ...["median ms", "best", "worst", "reads ms", "bytes"].map((word) => word.padStart(9)),
      "  slowest read",
    ].join(" "),
  );
  const missed: string[] = [];
  for (const tz of ["UTC", "Europe/Berlin"]) {
    // Only whole days of UTC are stored: elsewhere the hours at both edges are added.
    for (const filter of tz === "UTC" ? FILTERS : FILTERS.filter((one) => one === "" || one.startsWith("country:is"))) {
      const name = `${filter === "" ? "unfiltered" : filter}${tz === "UTC" ? "" : ` (${tz})`}`;
      if (only !== undefined && !name.includes(only)) continue;
      if (await measure(name, filter, tz) > (filter === "" ? GOAL_MS : FILTERED_GOAL_MS)) missed.push(name);
    }
  }
  write(`median over ${GOAL_MS} ms unfiltered, ${FILTERED_GOAL_MS} ms filtered: ${missed.join(", ") || "none"}`);
} finally {
  await database.close();
}

/** Prints one page's line; returns the median in ms. */
async function measure(name: string, filter: string, tz: string): Promise<number> {
  const parameters = new URLSearchParams({ from: FIRST_DAY, to: LAST_DAY, tz, ...(filter !== "" && { filter }) });
  const warm = await render(`/?${parameters}`);
  const renders: Render[] = [];
  while (renders.length < (warm.ms > SLOW_MS ? SLOW_REPEATS : REPEATS)) renders.push(await render(`/?${parameters}`));
  const times = renders.map(({ ms }) => ms);
  const slowest = renders.flatMap(({ reads }) => reads).reduce((a, b) => (b.ms > a.ms ? b : a));
  const sum = median(renders.map(({ reads }) => reads.reduce((all, { ms }) => all + ms, 0)));
  write(
    [
      name.padEnd(58),
      ...[median(times), Math.min(...times), Math.max(...times), sum, renders[0]!.bytes]
        .map((value) => Math.round(value).toLocaleString("en").padStart(9)),
      `  ${slowest.name} ${Math.round(slowest.ms)} ms`,
    ].join(" "),
  );
  return median(times);
}

/** One page from an application that has no answers yet. @throws Error if it is not whole */
async function render(path: string): Promise<Render> {
  const reads: Read[] = [];
  const app = createApp({
    database: watched(database, reads),
    clock: { now: () => NOW, sleep: () => Promise.resolve() },
    log: faults,
    metrics: new Registry(),
    version: VERSION,
    snapshots: () => [],
    geo: () => null,
    settings: {
      ...APP_DEFAULTS,
      access: { publicAccess: true },
      queryTimeoutMs: DEADLINE_MS,
      watermarkDelayMs: durationMs(60_000),
      idleTimeoutMs: durationMs(60_000),
    },
    settingsView: [],
  });
  const started = performance.now();
  const response = await app.request(path);
  const text = await response.text();
  const ms = performance.now() - started;
  if (response.status !== 200 || !text.includes('id="contributions"')) {
    throw new Error(`${path} is not whole: status ${response.status}`);
  }
  return { ms, reads, bytes: text.length };
}

/** Notes what each read takes once it has a connection. */
function watched(database: ReadDatabase, reads: Read[]): ReadDatabase {
  return {
    async query(read, deadlineMs) {
      let started = performance.now();
      const words: string[] = [];
      try {
        return await database.query((sql) => {
          started = performance.now();
          return read(naming(sql, words));
        }, deadlineMs);
      } finally {
        reads.push({ name: nameOf(words), ms: performance.now() - started });
      }
    },
  };
}

/** Collects names of functions and texts that are parameters. */
function naming(sql: Sql, words: string[]): Sql {
  const forward = sql as unknown as (...args: unknown[]) => unknown;
  const tag = (first: unknown, ...rest: unknown[]) => {
    if (Array.isArray(first)) words.push(...first.flatMap((text) => String(text).match(/(?<=\btm\.)\w+/g) ?? []));
    words.push(...rest.filter((value) => typeof value === "string"));
    return forward(first, ...rest);
  };
  return Object.assign(tag, sql) as unknown as Sql;
}

function nameOf(words: readonly string[]): string {
  const name = NAMES.find(([part]) => words.includes(part))?.[1] ?? words.find((word) => word.length > 3) ?? "other";
  return name === "ranking by"
    ? `${name} ${words.find((word) => ["place", "country", "host", "referrer"].includes(word))}`
    : name;
}
