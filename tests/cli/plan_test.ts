// The plan: every number follows from its arithmetic and grows with what it should grow with; a hand-made case is the oracle.
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { renderPlan } from "../../src/cli/plan/plan.ts";
import { FIGURES } from "../../src/cli/plan/plan_figures.ts";
import { beside, OLD_ENGINES, renderBeside } from "../../src/cli/plan/plan_beside.ts";
import { distinctKeys, plan, type PlanInputs, type Prices } from "../../src/cli/plan/plan_model.ts";

const inputs: PlanInputs = {
  eventsPerSecond: 1_000,
  keys: 20_000,
  dailyKeys: 5_000,
  windowSeconds: 300,
  commitSeconds: 1,
  retentionDays: 365,
  eventBytes: 400,
  textBytes: 37,
  kafkaDays: 7,
  kafkaReplicas: 3,
  catchUp: 4,
  backups: 7,
  brokerCpus: 0,
  brokerMemoryGib: 0,
};
const free: Prices = {
  cpuHour: 0,
  memoryGibHour: 0,
  diskGibMonth: 0,
  networkGib: 0,
  backupGibMonth: 0,
  monitoringMonth: 0,
};
const value = (name: string, changes: Partial<PlanInputs> = {}) =>
  plan({ ...inputs, ...changes }, free).steps.find((step) => step.name === name)!.value;

Deno.test("distinctKeys() is every event where keys abound and every key where events do", () => {
  assertAlmostEquals(distinctKeys(10, 1e12), 10, 1e-6);
  assertAlmostEquals(distinctKeys(1e6, 100), 100, 1e-6);
  assertAlmostEquals(distinctKeys(100, 100), 63.2, 0.1);
});

Deno.test("plan() of a hand-made case: 300,000 events a window over 20,000 keys", () => {
  assertEquals(value("rows per window"), 20_000);
  assertEquals(value("events per row"), 15);
  assertAlmostEquals(value("table per day"), 288 * 20_000 * (69 + 37), 1);
  assertAlmostEquals(value("service, live"), 0.0012, 1e-9);
  assertEquals(value("engines"), 1);
  assertEquals(value("partitions"), 12);
  assertEquals(value("Kafka disk"), 1_000 * 400 * 86_400 * 7 * 3);
});

Deno.test("plan() grows with traffic, keys and retention, and rounds engines up", () => {
  assertEquals(value("engines", { eventsPerSecond: 1e6 }), 5, "1.2 CPUs × 4");
  assertEquals(value("partitions", { eventsPerSecond: 1e7 }), 96);
  assert(value("PostgreSQL size", { retentionDays: 730 }) > 1.9 * value("PostgreSQL size"));
  assert(value("write-ahead log", { keys: 200_000 }) > value("write-ahead log"));
  assert(value("dirty keys per second", { commitSeconds: 10 }) < value("dirty keys per second"));
});

Deno.test("plan() adds up the cost, and each price moves its own component only", () => {
  assertEquals(plan(inputs, free).costPerMonth, 0);
  const used = (price: Partial<Prices>, changes: Partial<PlanInputs> = {}) =>
    plan({ ...inputs, ...changes }, { ...free, ...price }).costs.filter((line) => line.perMonth > 0).map((line) =>
      line.component
    );
  assertEquals(used({ cpuHour: 1 }), ["engine", "database"]);
  assertEquals(used({ cpuHour: 1 }, { brokerCpus: 3 }), ["engine", "database", "broker"]);
  assertEquals(used({ memoryGibHour: 1 }), ["engine"]);
  assertEquals(used({ diskGibMonth: 1 }), ["storage of the database", "storage of the broker"]);
  assertEquals(used({ networkGib: 1 }), ["network"]);
  assertEquals(used({ backupGibMonth: 1 }), ["backup"]);
  const { costs, costPerMonth, costPerBillionEvents } = plan(inputs, {
    ...free,
    monitoringMonth: 30,
    diskGibMonth: 0.1,
  });
  assertAlmostEquals(costPerMonth, costs.reduce((sum, line) => sum + line.perMonth, 0), 1e-9);
  assertAlmostEquals(costPerBillionEvents, costPerMonth / 2.628, 1e-6);
});

Deno.test("renderPlan() shows each step with its arithmetic, and bytes in binary units", () => {
  const text = renderPlan(plan(inputs, { ...free, cpuHour: 0.04 }));
  assertStringIncludes(text, "= 300,000 ÷ 20,000");
  assertStringIncludes(text, "582 MiB");
  assertStringIncludes(text, "per billion events");
  for (const line of text.split("\n").slice(0, 10)) assertStringIncludes(line, " = ");
});

Deno.test("every figure says what measures it", () => {
  for (const { value, source } of Object.values(FIGURES)) {
    assert(value > 0);
    assert(/deno task|docs\/performance\.md/.test(source), source);
  }
});

Deno.test("beside() sets every part of the old stack beside ours, from measured figures alone", () => {
  const prices = { ...free, cpuHour: 1, memoryGibHour: 2 };
  const made = plan(inputs, prices);
  for (const engine of OLD_ENGINES) {
    const lines = beside(made, prices, inputs.eventsPerSecond, engine);
    const [first] = lines;
    assertEquals(first!.part, "engine");
    assert(first!.there.cpus > first!.here.cpus && first!.there.memoryMib > first!.here.memoryMib, engine);
    for (const { here, there } of lines) {
      for (const { cpus, memoryMib, perMonth } of [here, there]) {
        assertAlmostEquals(perMonth, 730 * (cpus + 2 * memoryMib / 1024), 1e-9);
      }
    }
    const text = renderBeside(lines, engine);
    assertStringIncludes(text, `with ${engine}`);
    const memory = lines.reduce((sum, { there }) => sum + there.memoryMib, 0);
    assert(new RegExp(`^together .* ${memory.toLocaleString("en-US")} MiB`, "m").test(text), text);
  }
  const flink = beside(made, free, 2 * inputs.eventsPerSecond, "flink")[0]!.there.cpus;
  assertAlmostEquals(flink, 2 * beside(made, free, inputs.eventsPerSecond, "flink")[0]!.there.cpus, 1e-12);
});
