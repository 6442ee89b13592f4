// The pages over a real database with hostile names in it, served on a port, and a browser to look at them.
import type { Sql } from "postgres";
import { createApp } from "../../src/http/server/app.ts";
import { APP_DEFAULTS } from "../../src/http/server/deps.ts";
import { serveHttp } from "../../src/http/server/server.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { silentLog } from "../../src/shared/log.ts";
import { Registry } from "../../src/shared/metrics.ts";
import { ENGINE_STEPS, StepBoard } from "../../src/shared/steps.ts";
import type { PipelineSnapshot } from "../../src/shared/snapshot.ts";
import { durationMs, epochMs, offset } from "../../src/shared/units.ts";
import { partition, snapshot } from "../http/app_fixture.ts";
import { countBreakdowns, TWO_SITES, type ValueShare } from "../http/breakdown_fixture.ts";
import { closeAll, commit, join, type KeyHits, MIN, WINDOW } from "../http/stream_fixture.ts";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { type StreamDatabase, streamDatabase } from "./http_fixture.ts";
import type { PostgresOptions } from "../support/postgres.ts";

/** What must never be more than text. The last ones are merely long, or turn the direction of what follows. */
export const HOSTILE: readonly string[] = [
  "<script>window.hacked=1</script>",
  '"><img src=x onerror=window.hacked=1>',
  "'-window.hacked=1-'",
  "<svg/onload=window.hacked=1>",
  "</td></table><script>window.hacked=1</script>",
  "</title><script>window.hacked=1</script>",
  "javascript:window.hacked=1//",
  '<a href="javascript:window.hacked=1">x</a>',
  "${window.hacked=1}{{window.hacked=1}}",
  '<iframe srcdoc="<script>parent.hacked=1</script>">',
  "<style>body{display:none}</style>",
  "<!--",
  "&lt;script&gt;window.hacked=1&lt;/script&gt;",
  "\u202egpj.exe\u2066",
  "x".repeat(900),
];

export interface Dashboard extends AsyncDisposable {
  readonly url: string;
  readonly data: StreamDatabase;
  readonly browser: TestBrowser;
  /** Commits `hits` of the newest window, as an engine does. */
  add(hits: number): Promise<void>;
}

/** Starts database, server and browser. `prepare` fills the database; without it there are two hours of hostile traffic. */
export async function startDashboard(
  options: PostgresOptions & {
    readonly prepare?: (sql: Sql) => Promise<void>;
    readonly snapshots?: () => readonly PipelineSnapshot[];
  } = {},
): Promise<Dashboard> {
  const data = await streamDatabase(options.prepare ?? hostileTraffic, options);
  const writes = new Database({
    address: { kind: "url", url: data.server.url },
    schema: "public",
    applicationName: "http-writes",
    max: 1,
    statementTimeoutMs: 10_000,
  });
  const app = createApp({
    database: data.database,
    writes,
    clock: systemClock,
    log: silentLog,
    metrics: new Registry(),
    version: "1.2.3",
    snapshots: options.snapshots ?? (() => [healthy()]),
    geo: () => null,
    settings: {
      ...APP_DEFAULTS,
      access: { publicAccess: false },
      // A busy machine is not what these tests are about.
      queryTimeoutMs: durationMs(30_000),
      watermarkDelayMs: durationMs(MIN),
      idleTimeoutMs: durationMs(MIN),
    },
    settingsView: [{ name: "KAFKA_TOPIC", value: HOSTILE[0]!, source: "environment" }],
  });
  const server = await serveHttp(app, { host: "127.0.0.1", port: 0, connectionsMax: 1_000, log: silentLog });
  const browser = await startBrowser();
  return {
    url: server.url,
    data,
    browser,
    add: (hits) =>
      commit(data.sql, [{ partition: 0, by: hits, counted: hits }], [{ window: newest(), host: "new.example", hits }])
        .then(() => {}),
    async [Symbol.asyncDispose]() {
      await browser.close();
      await server.close(1_000);
      await writes.close();
      await data[Symbol.asyncDispose]();
    },
  };
}

/** A caught-up engine of this moment. */
function healthy(): PipelineSnapshot {
  const now = Date.now();
  const at = { progressAt: epochMs(now), lastEventTime: epochMs(now), position: offset(9_999), logEnd: offset(9_999) };
  const base = snapshot();
  const steps = new StepBoard(ENGINE_STEPS, systemClock);
  for (const step of ENGINE_STEPS) steps.succeeded(step);
  return {
    ...base,
    steps: steps.states(),
    startedAt: epochMs(now - 60_000),
    now: epochMs(now),
    partitions: [partition(0, at), partition(1, at)],
    commit: { ...base.commit, lastAt: epochMs(now) },
  };
}

/** Start of the window of this moment. */
function newest(): number {
  return Math.floor(Date.now() / WINDOW) * WINDOW;
}

/** Hostile texts as pages and campaigns; hosts, clients and channels as elsewhere. */
const HOSTILE_VALUES: readonly ValueShare[] = [
  ...TWO_SITES.filter(({ dimension }) => dimension === 2 || dimension === 4),
  ...[...HOSTILE.slice(0, 6), HOSTILE[13]!, HOSTILE[14]!].map((
    text,
  ) => ({ dimension: 1, host: "www.example.com", value: `/${text}`, percent: 11 } as const)),
  { dimension: 1, host: "www.example.com", value: "(asset)", percent: 12 },
  { dimension: 3, host: "www.example.com", value: ["<b>", HOSTILE[0], HOSTILE[14]].join("\x1e"), percent: 20 },
  { dimension: 3, host: "www.example.com", value: "(none)", percent: 80 },
];

/**
 * Two hours of traffic by way of the ddl's functions: closed windows and an open one, each hostile text as host, referrer, city and reason, some as
 * page and campaign.
 */
export async function hostileTraffic(sql: Sql): Promise<void> {
  await join(sql, 2, { topic: HOSTILE[0]!, anchor: newest() - 48 * WINDOW });
  const hits: KeyHits[] = [];
  for (let n = 24; n >= 0; n--) {
    const text = HOSTILE[n % HOSTILE.length]!;
    const window = newest() - n * WINDOW;
    hits.push({ window, host: text, referrer: text, hits: 40 + n, bots: n % 5, place: ["AU", text, text] });
    hits.push({ window, host: "www.example.com", hits: 60, bots: 6, place: ["GB", "England", "London"] });
  }
  const counted = hits.reduce((sum, key) => sum + key.hits, 0);
  const watermark = newest() - MIN;
  await commit(
    sql,
    [
      { partition: 0, by: counted, counted, watermark, maxWindowEnd: newest() + WINDOW },
      { partition: 1, by: HOSTILE.length, dead: HOSTILE.length, watermark, maxWindowEnd: newest() },
    ],
    hits,
    {
      counts: [{ partition: 1, reason: "bad_json", records: HOSTILE.length }],
      ranges: [{ partition: 1, reason: "bad_json", first_offset: 0, last_offset: 14, records: HOSTILE.length }],
      samples: HOSTILE.map((payload, i) => ({
        partition: 1,
        record_offset: i,
        reason: "bad_json",
        payload_bytes: payload.length,
        payload,
      })),
    },
  );
  await closeAll(sql);
  await countBreakdowns(sql, HOSTILE_VALUES, { "": 500, "www.example.com": 300 });
}
