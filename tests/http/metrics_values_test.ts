// Metrics: totals that others keep become counters that never fall, labels stay bounded, an absent database leaves no old number.
import { assert, assertEquals } from "@std/assert";
import { Metrics, METRICS_CATALOGUE } from "../../src/http/api/metrics/catalogue.ts";
import { setFromDatabase, setFromSnapshots } from "../../src/http/api/metrics/values.ts";
import type { StreamStats } from "../../src/http/api/stream/stream_stats.ts";
import { Registry } from "../../src/shared/metrics.ts";
import { epochMs, offset } from "../../src/shared/units.ts";
import { NOW, partition, snapshot } from "./app_fixture.ts";

const stats: StreamStats = {
  closed_through: NOW - 60_000,
  final_through: NOW - 60_000,
  quiet_since: null,
  watermark: NOW - 30_000,
  data_revision: 3,
  stopped_code: null,
  counted: 1,
  late: 0,
  dead: 0,
  null: 0,
  skipped: 0,
  dead_by_reason: [],
  windows_open: 1,
  windows_closed: 1,
  windows_folded: 1,
  keys_folded: 40,
  data_gaps: 0,
  failing: [],
};
const rendered = (registry: Registry) => registry.render().split("\n");

Deno.test("the registry holds exactly the catalogue, each name once and ours", () => {
  const registry = new Registry();
  new Metrics(registry);
  assertEquals(registry.describe().map((f) => f.name), Object.keys(METRICS_CATALOGUE));
  for (const { name, type, help } of registry.describe()) {
    assert(/^tidemark_[a-z_]+$/.test(name));
    assertEquals(type === "counter", name.endsWith("_total"), name);
    assert(help.endsWith("."), name);
  }
});

Deno.test("setFromSnapshots() never lets a counter fall, also when an engine is started anew", () => {
  const registry = new Registry();
  const metrics = new Metrics(registry);
  const counted = (value: number) => {
    const { totals } = snapshot();
    setFromSnapshots(metrics, [snapshot({ totals: { ...totals, counted: value } })], NOW);
    return metrics.counter("tidemark_records_total").value({ result: "counted" });
  };
  assertEquals([counted(5), counted(9), counted(0), counted(4), counted(11)], [5, 9, 9, 9, 11]);
});

Deno.test("setFromSnapshots() adds up lag and forgets partitions that were given up", () => {
  const registry = new Registry();
  const metrics = new Metrics(registry);
  const behind = (id: number, records: number, age: number) =>
    partition(id, { logEnd: offset(10 + records), lastEventTime: epochMs(NOW - age) });
  setFromSnapshots(metrics, [snapshot({ partitions: [behind(0, 5, 9_000), behind(1, 7, 4_000)] })], NOW);
  assert(rendered(registry).includes("tidemark_lag_records 12"));
  assert(rendered(registry).includes("tidemark_breakdown_values_folded_total 5"));
  assert(rendered(registry).includes("tidemark_lag_seconds 9"));
  setFromSnapshots(metrics, [snapshot({ partitions: [behind(1, 0, 600_000)] })], NOW);
  assert(rendered(registry).includes("tidemark_lag_seconds 0"), "caught up means no lag, however old the last record");
  assert(!rendered(registry).some((line) => line.startsWith('tidemark_partition_lag_records{partition="0"}')));
});

Deno.test("labels stay bounded: 64 partitions, 32 reasons, no text from a foreign hand", () => {
  const registry = new Registry();
  const metrics = new Metrics(registry);
  const partitions = Array.from({ length: 500 }, (_, i) => partition(i));
  setFromSnapshots(metrics, [snapshot({ partitions })], NOW);
  const reasons = Array.from({ length: 99 }, (_, i) => ({ reason: `reason_${"x".repeat(i % 30)}`, records: 1 }));
  const hostile = [{ reason: 'a"} 1\nevil 1', records: 1 }, ...reasons];
  setFromDatabase(metrics, { ...stats, dead_by_reason: hostile, stopped_code: "</x>" }, NOW);
  const lines = rendered(registry);
  assertEquals(lines.filter((l) => l.startsWith("tidemark_partition_lag_records{")).length, 64);
  assert(lines.filter((l) => l.startsWith("tidemark_dead_letters{")).length <= 32);
  assert(lines.includes('tidemark_dead_letters{reason="other"} 1'));
  assert(lines.includes('tidemark_stream_stopped{code="other"} 1'));
  assert(!lines.some((l) => l.startsWith("evil")));
});

Deno.test("setFromDatabase() shows nothing rather than an old number when the database is away", () => {
  const registry = new Registry();
  const metrics = new Metrics(registry);
  setFromDatabase(metrics, stats, NOW);
  const lines = ["tidemark_freshness_seconds 60", "tidemark_windows_folded 1", "tidemark_keys_folded 40"];
  for (const line of lines) assert(rendered(registry).includes(line), line);
  setFromDatabase(metrics, null, NOW);
  const names = lines.map((line) => `${line.split(" ")[0]} `);
  assertEquals(rendered(registry).filter((line) => names.some((name) => line.startsWith(name))), []);
});
