// Compares a plan with the stack that Tidemark replaces, part by part, by figures measured on the same machine. Pure.
import { FIGURES } from "./plan_figures.ts";
import { numberText } from "../../shared/quantities.ts";
import type { Plan, Prices } from "./plan_model.ts";

/** Engines whose cost for this job was measured. */
export const OLD_ENGINES = ["flink", "spark", "kafka-streams"] as const;
type OldEngine = typeof OLD_ENGINES[number];

const ENGINE_FIGURES = {
  flink: { cpu: FIGURES.flinkCpu, memory: FIGURES.flinkMemory },
  spark: { cpu: FIGURES.sparkCpu, memory: FIGURES.sparkMemory },
  "kafka-streams": { cpu: FIGURES.kafkaStreamsCpu, memory: FIGURES.kafkaStreamsMemory },
} as const;

/** One part of both stacks. */
interface BesideLine {
  readonly part: string;
  readonly here: Amount;
  readonly there: Amount;
  /** How `there` is computed. */
  readonly arithmetic: string;
}

interface Amount {
  readonly cpus: number;
  readonly memoryMib: number;
  readonly perMonth: number;
}

const HOURS_A_MONTH = 730;

/**
 * Compares the parts of a plan that are processes with those of the old stack. Disks, network and backup are left out, because they hold the
 * same events and rows in both.
 */
export function beside(plan: Plan, prices: Prices, eventsPerSecond: number, engine: OldEngine): readonly BesideLine[] {
  const step = (name: string) => plan.steps.find((one) => one.name === name)!.value;
  const amount = (cpus: number, memoryMib: number): Amount => ({
    cpus,
    memoryMib,
    perMonth: HOURS_A_MONTH * (cpus * prices.cpuHour + memoryMib / 1024 * prices.memoryGibHour),
  });
  const { cpu, memory } = ENGINE_FIGURES[engine], f = FIGURES;
  const engineCpus = eventsPerSecond * cpu.value / 1e6, engines = Math.max(1, Math.ceil(engineCpus));
  const windowRowsPerSecond = step("rows per second");
  return [
    {
      part: "engine",
      here: amount(step("service, live"), step("service memory")),
      there: amount(engineCpus, engines * memory.value),
      arithmetic: `${numberText(eventsPerSecond)}/s × ${numberText(cpu.value)} CPU-s ÷ 1,000,000; ${
        numberText(engines)
      } × ${numberText(memory.value)} MiB`,
    },
    {
      part: "database, writing",
      here: amount(step("PostgreSQL, live"), 0),
      there: amount(windowRowsPerSecond * f.insertCpu.value / 1e6, 0),
      arithmetic: `${numberText(windowRowsPerSecond)} rows/s × ${
        numberText(f.insertCpu.value)
      } µs, each row once when its window ends`,
    },
    {
      part: "coordination (ZooKeeper)",
      here: amount(0, 0),
      there: amount(f.zookeeperCpu.value, f.zookeeperMemory.value),
      arithmetic: "idle, one node",
    },
    {
      part: "looking at the table (pgAdmin)",
      here: amount(0, 0),
      there: amount(0, f.pgAdminMemory.value),
      arithmetic: "idle; here the dashboard is part of the service",
    },
  ];
}

export function renderBeside(lines: readonly BesideLine[], engine: OldEngine): string {
  const cell = ({ cpus, memoryMib, perMonth }: Amount) =>
    cpus === 0 && memoryMib === 0 ? "nothing" : [
      ...(cpus > 0 ? [`${numberText(cpus)} CPUs`] : []),
      ...(memoryMib > 0 ? [`${numberText(memoryMib)} MiB`] : []),
      ...(perMonth > 0 ? [numberText(perMonth)] : []),
    ].join(", ");
  const total = (pick: (line: BesideLine) => Amount): Amount => ({
    cpus: lines.reduce((sum, line) => sum + pick(line).cpus, 0),
    memoryMib: lines.reduce((sum, line) => sum + pick(line).memoryMib, 0),
    perMonth: lines.reduce((sum, line) => sum + pick(line).perMonth, 0),
  });
  const rows = [
    ["", "here", `with ${engine}`, ""],
    ...lines.map(({ part, here, there, arithmetic }) => [part, cell(here), cell(there), `= ${arithmetic}`]),
    ["together", cell(total(({ here }) => here)), cell(total(({ there }) => there)), ""],
  ];
  const width = (column: number) => Math.max(...rows.map((row) => row[column]!.length));
  const text = rows.map((row) => row.map((value, i) => value.padEnd(width(i))).join("  ").trimEnd());
  return [
    `Compared with the stack that this replaces (processors live, peak memory, cost per month)`,
    ...text,
    "Kafka, disks, network and backup are the same in both. Not measured: checkpoint storage, the web service for places.",
  ].join("\n");
}
