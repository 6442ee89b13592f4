import { assertEquals } from "@std/assert";
import { Registry } from "../../src/shared/metrics.ts";

Deno.test("Registry renders counters and gauges with escaped labels", () => {
  const registry = new Registry();
  const counter = registry.counter("hits_total", "Hits.");
  counter.inc();
  counter.inc(2, { reason: 'a"b\\c\nd' });
  const gauge = registry.gauge("lag", "Lag in records.", () => gauge.set(7));
  assertEquals(registry.render().split("\n"), [
    "# HELP hits_total Hits.",
    "# TYPE hits_total counter",
    "hits_total 1",
    'hits_total{reason="a\\"b\\\\c\\nd"} 2',
    "# HELP lag Lag in records.",
    "# TYPE lag gauge",
    "lag 7",
    "",
  ]);
  assertEquals(counter.value({ reason: 'a"b\\c\nd' }), 2);
});

Deno.test("Registry gives the same family for the same name, and forgets cleared series", () => {
  const registry = new Registry();
  registry.counter("a", "A.").inc();
  registry.counter("a", "A.").inc();
  assertEquals(registry.counter("a", "A.").value(), 2);
  const gauge = registry.gauge("b", "B.");
  gauge.set(1, { partition: 0 });
  gauge.clear();
  gauge.set(2, { partition: 1 });
  assertEquals(registry.render().split("\n").filter((line) => line.startsWith("b")), ['b{partition="1"} 2']);
});

Deno.test("Registry counts a value in every bucket whose bound it does not exceed", () => {
  const registry = new Registry();
  const histogram = registry.histogram("seconds", "Time.", [1, 2]);
  for (const value of [0.5, 1, 1.5, 3]) histogram.observe(value);
  assertEquals(registry.render().split("\n").slice(2, -1), [
    'seconds_bucket{le="1"} 2',
    'seconds_bucket{le="2"} 3',
    'seconds_bucket{le="+Inf"} 4',
    "seconds_sum 6",
    "seconds_count 4",
  ]);
});
