// The pages' pieces apart from a browser: escaping, numbers and times for one reader, words for the stream, fragments, rates, the shared cache.
import { assert, assertEquals, assertMatch, assertNotMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { durationMs, epochMs, offset } from "../../src/shared/units.ts";
import type { PipelineSnapshot } from "../../src/shared/snapshot.ts";
import { commitChart } from "../../src/http/pages/pipeline/commit_chart.ts";
import { forecastChart } from "../../src/http/pages/overview/forecast_chart.ts";
import { changedFragments, parseHave, slot, versionOf } from "../../src/http/pages/fragments.tsx";
import { bar, counted, hostile, inlineSvg, NOTHING, timeOf, worth } from "../../src/http/pages/markup.tsx";
import { notice } from "../../src/http/pages/notices.tsx";
import { COMMIT_BUCKET_MS, type CommitBucket } from "../../src/http/pages/pipeline/pipeline_data.ts";
import { ratesOf } from "../../src/http/pages/pipeline/pipeline_rates.ts";
import { readerLocale, readerOf } from "../../src/http/pages/reader.ts";
import { ReportCache } from "../../src/http/pages/overview/report_cache.ts";
import { streamWords } from "../../src/http/pages/stream_state.ts";
import { NOW, partition, snapshot, TestClock } from "./app_fixture.ts";

const HOSTILE = `<script>alert(1)</script>"'&\u202e\u0000`;
const reader = readerOf("en-u-nu-latn", "UTC", NOW);

Deno.test("JSX escapes values in text and attributes", () => {
  const text = String(
    <li title={HOSTILE}>
      {HOSTILE} <b>x</b>
    </li>,
  );
  assertNotMatch(text, /<script|"'&[^aql#]/);
  assertMatch(text, /^<li title="&lt;script&gt;/);
  assertMatch(text, / <b>x<\/b><\/li>$/);
});

Deno.test("hostile() neither breaks out of its element nor turns what follows", () => {
  const text = String(hostile(HOSTILE));
  for (const bad of ["<script", "\u202e", "\0"]) assert(!text.includes(bad), text);
  assertMatch(text, /^<bdi class="clip" title="[^"]*">[^<]*<\/bdi>$/);
});

Deno.test("worth() and counted() mark what can change and never turn a gap into a number", () => {
  assertEquals(String(worth("5", "final")), "5");
  assertMatch(String(worth("5", "provisional")), /<abbr class="prov" title="provisional[^>]*>5<\/abbr>/);
  assertMatch(String(counted(reader, null, "provisional")), />unknown</);
  assertEquals(String(counted(reader, 0, "final")), "0");
});

Deno.test("bar() stays within its box whatever the share is", () => {
  for (const [share, width] of [[0.5, "50.00%"], [2, "100.00%"], [-1, "0.00%"], [NaN, "0.00%"]] as const) {
    assertStringIncludes(String(bar(share)), `width="${width}"`);
  }
});

Deno.test("inlineSvg() takes off the style that the policy forbids, and crops", () => {
  const svg =
    `<svg viewBox="0 0 860 470" width="860" height="470"><style>.a{x:y}</style><title>&lt;style&gt;</title></svg>`;
  const text = String(inlineSvg(svg, { top: 30, bottom: 40 }));
  assertEquals(text, `<svg viewBox="0 30 860 400" width="860" height="400"><title>&lt;style&gt;</title></svg>`);
});

Deno.test("readerLocale() takes the first language that there is, with Latin digits", () => {
  const cases = [
    ["de-AT,de;q=0.9,en;q=0.8", "de-AT-u-nu-latn"],
    ["ar-EG", "ar-EG-u-nu-latn"],
    ["x-klingon, fr", "fr-u-nu-latn"],
    ["*", "en-u-nu-latn"],
    ["<script>", "en-u-nu-latn"],
    [undefined, "en-u-nu-latn"],
    ["de-u-nu-arab", "de-u-nu-latn"],
  ] as const;
  for (const [header, expected] of cases) assertEquals(readerLocale(header), expected, String(header));
});

Deno.test("readerOf() writes numbers in the language and times in the zone, with the date on other days", () => {
  const german = readerOf(readerLocale("de"), "Europe/Berlin", NOW);
  assertEquals(german.count(1_234_567), "1.234.567");
  assertEquals(german.time(NOW), "01:30");
  assertMatch(german.time(NOW - 2 * 3_600_000), /30\. Jan.* 23:30/);
  assertEquals([reader.change(5), reader.change(0)], ["+5", "±0"]);
  assertEquals([reader.percent(12.34), reader.percent(0.01), reader.percent(0)], ["12.3%", "<0.1%", "0.0%"]);
  assertEquals(reader.count(null), "unknown");
  assertStringIncludes(String(timeOf(german, NOW)), `title="2026-01-31 00:30:00 UTC"`);
  assertEquals(readerOf("en", "Mars/Olympus", NOW).time(NOW), "00:30");
});

const running = (changes: Partial<PipelineSnapshot> = {}) => snapshot(changes);
const wordsOf = (given: Partial<Parameters<typeof streamWords>[0]>) =>
  streamWords({
    state: undefined,
    stats: null,
    snapshots: [],
    now: NOW,
    progressTimeoutMs: durationMs(30_000),
    ...given,
  });

Deno.test("streamWords() says how the stream is", () => {
  const lagging = partition(0, { logEnd: offset(1_010), lastEventTime: epochMs(NOW - 3_600_000) });
  const fresh = partition(0, { logEnd: offset(12), lastEventTime: epochMs(NOW - 1_000) });
  const stopped = { stream: { stopped_code: "data_gap", stopped_message: "offset 5 is gone" } } as never;
  const cases = [
    [wordsOf({ state: null }), "trouble", /Database away/],
    [wordsOf({}), "empty", /No stream yet/],
    [wordsOf({ snapshots: [running()] }), "healthy", /Healthy/],
    [wordsOf({ snapshots: [running({ partitions: [lagging] })] }), "catching_up", /Catching up 0 %/],
    [wordsOf({ snapshots: [running({ source: "demo", partitions: [lagging] })] }), "catching_up", /Preparing history/],
    [wordsOf({ snapshots: [running({ partitions: [fresh] })] }), "healthy", /Healthy/],
    [
      wordsOf({ snapshots: [running()], stats: { windows_open: 75, windows_closed: 25 } }),
      "catching_up",
      /Closing windows 25 %/,
    ],
    [wordsOf({ snapshots: [running()], stats: { windows_open: 2, windows_closed: 25 } }), "healthy", /Healthy/],
    [
      wordsOf({ snapshots: [running({ phase: "starting", reason: "joining", reasonCode: "x" })] }),
      "waiting",
      /Starting/,
    ],
    [
      wordsOf({ snapshots: [running({ phase: "waiting", reason: "away", reasonCode: "kafka_unavailable" })] }),
      "trouble",
      /kafka_unavailable/,
    ],
    [wordsOf({ state: stopped, snapshots: [running()] }), "stopped", /Stopped: data_gap/],
  ] as const;
  for (const [words, kind, label] of cases) {
    assertEquals(words.kind, kind);
    assertMatch(words.label, label);
  }
});

Deno.test("notice() says what to do next, by where events come from", () => {
  const given = (source: PipelineSnapshot["source"]) => {
    const snapshots = [running({ source, topic: HOSTILE })];
    return String(notice({ state: undefined, stats: null, snapshots, words: wordsOf({ snapshots }) }));
  };
  assertMatch(given("kafka"), /tidemark produce/);
  assertMatch(given("file"), /combined format/);
  assertMatch(given("demo"), /Preparing the demo/);
  assertNotMatch(given("kafka") + given("file"), /<script/);
  const nothing = { state: undefined, stats: null, snapshots: [], words: wordsOf({}) };
  assertMatch(String(notice(nothing)), /tidemark run\s?(?:&#10;)?/);
  assertMatch(String(notice({ ...nothing, state: null, words: wordsOf({ state: null }) })), /database does not answer/);
});

Deno.test("notice() names what keeps events from arriving before it says that the stream waits for them", () => {
  const words = {
    kind: "trouble" as const,
    label: "Trouble: topic_missing",
    detail: "There is no topic web_traffic_topic.",
    progress: null,
  };
  const text = (source: PipelineSnapshot["source"]) =>
    String(notice({ state: undefined, stats: null, snapshots: [running({ source })], words }));
  assertMatch(text("kafka"), /topic_missing.*There is no topic/s);
  assertNotMatch(text("kafka"), /The stream is set up/);
  assertMatch(text("demo"), /Preparing the demo/);
});

Deno.test("changedFragments() sends what a page names and does not have", () => {
  const views = new Map([["a", <>one</>], ["b", <>two</>], ["c", NOTHING]]);
  const have = parseHave(`a.${versionOf("one")},b.old,unknown.x,c.old`);
  assertEquals(changedFragments(views, have).map(({ id, html: text }) => [id, text]), [["b", "two"], ["c", ""]]);
  assertEquals(changedFragments(views, parseHave(undefined)), []);
  assertEquals(parseHave("<script>.x").get("<script>"), "x");
});

Deno.test("slot() hides a section that has nothing to show", () => {
  assertMatch(String(slot({ id: "a", pace: "fast", className: "panel" }, undefined)), / hidden=""><\/section>$/);
  assertNotMatch(String(slot({ id: "a", pace: "fast", className: "panel" }, <p>x</p>)), / hidden/);
});

function bucket(at: number, changes: Partial<CommitBucket> = {}): CommitBucket {
  return {
    at,
    commits: 10,
    records: 100,
    dead: 5,
    late: 0,
    counted: 95,
    mean_ms: 2,
    max_ms: 9,
    lag_ms: 61_000,
    ...changes,
  };
}

Deno.test("ratesOf() counts silence as silence, and forgets what is older than a minute", () => {
  const now = 1_000_000 * COMMIT_BUCKET_MS;
  const full = Array.from({ length: 6 }, (_, i) => bucket(now - (6 - i) * COMMIT_BUCKET_MS));
  assertEquals(ratesOf(full, now).records, 10);
  assertEquals(ratesOf(full.slice(0, 1), now).records, 100 / 60);
  assertEquals(ratesOf([bucket(now - 90_000)], now), {
    records: 0,
    counted: 0,
    dead: 0,
    late: 0,
    commits: 0,
    meanMs: null,
  });
  assertEquals(
    ratesOf([bucket(now - 20_000, { commits: 1, mean_ms: 5 }), bucket(now - 10_000, { commits: 3, mean_ms: 1 })], now)
      .meanMs,
    2,
  );
});

Deno.test("commitChart() and forecastChart() draw nothing, and gaps, without a broken number", () => {
  const day = (n: number) => `2026-01-${String(n).padStart(2, "0")}`;
  const charts = [
    commitChart([], { now: NOW, reader, id: "a" }),
    commitChart([bucket(NOW - 60_000), bucket(NOW - 50_000, { records: 0, max_ms: 0, mean_ms: 0 })], {
      now: NOW,
      reader,
      id: "a",
    }),
    commitChart([bucket(NOW - 3_600_000, { lag_ms: null })], { now: NOW, reader, id: "a", span: "24h" }),
    forecastChart({ history: [], days: [] }, { title: HOSTILE, reader, id: "b" }),
    forecastChart({
      history: [{ day: day(1), count: 5 }, { day: day(2), count: null }],
      days: [{ day: day(3), count: 6, low: 4, high: 9 }],
    }, { title: HOSTILE, reader, id: "b" }),
  ];
  for (const svg of charts) {
    assertMatch(svg, /^<svg .*<\/svg>$/s);
    assertNotMatch(svg, /NaN|Infinity|undefined|<script/);
  }
  assertStringIncludes(charts[4]!, "gapday");
});

Deno.test("ReportCache shares one reading, forgets it in time, and keeps no failure", async () => {
  const clock = new TestClock(0);
  const cache = new ReportCache(clock);
  let reads = 0;
  const get = () => cache.get("a", durationMs(1_000), () => Promise.resolve(++reads));
  assertEquals(await Promise.all([get(), get()]), [1, 1]);
  clock.time = 999;
  assertEquals(await get(), 1);
  clock.time = 1_000;
  assertEquals(await get(), 2);
  await assertRejects(() => cache.get("b", durationMs(1_000), () => Promise.reject(new Error("away"))));
  assertEquals(await cache.get("b", durationMs(1_000), () => Promise.resolve("back")), "back");
  for (let i = 0; i < 500; i++) void cache.get(`k${i}`, durationMs(1_000), () => Promise.resolve(i));
  assertEquals(await get(), 3);
  assert(reads === 3, "old answers make room");
});
