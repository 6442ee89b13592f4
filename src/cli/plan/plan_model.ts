// Computes partitions, processors, memory, bytes and cost from traffic, with the arithmetic of each step. Pure.
import { bytesText, numberText } from "../../shared/quantities.ts";
import { FIGURES } from "./plan_figures.ts";

const MIB = 2 ** 20, GIB = 2 ** 30, DAY_S = 86_400;
/** The mean month of a price list. */
const MONTH_DAYS = 365 / 12;
/** One engine reads a partition. With two per engine, none is idle when members join or leave. */
const PARTITIONS_PER_ENGINE = 2;
/** The usual number for a topic; it costs nothing. */
const PARTITIONS_MIN = 12;

/** The traffic. */
export interface PlanInputs {
  readonly eventsPerSecond: number;
  /** Distinct (host, referrer, place) in one window. */
  readonly keys: number;
  /** Distinct places, countries, hosts and referrers of one day, for the roll-ups. */
  readonly dailyKeys: number;
  readonly windowSeconds: number;
  readonly commitSeconds: number;
  readonly retentionDays: number;
  readonly eventBytes: number;
  readonly textBytes: number;
  readonly kafkaDays: number;
  readonly kafkaReplicas: number;
  /** Speed of catching up, as a multiple of the live rate. */
  readonly catchUp: number;
  readonly backups: number;
  /** Resources of your brokers beside disks; 0 if you have them anyway. */
  readonly brokerCpus: number;
  readonly brokerMemoryGib: number;
}

/** The user's prices. A month has 730 hours. */
export interface Prices {
  readonly cpuHour: number;
  readonly memoryGibHour: number;
  readonly diskGibMonth: number;
  readonly networkGib: number;
  readonly backupGibMonth: number;
  /** Total per month. */
  readonly monitoringMonth: number;
}

/** One computed number, with its arithmetic. */
interface Step {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly arithmetic: string;
}

interface CostLine {
  readonly component: string;
  readonly perMonth: number;
  readonly arithmetic: string;
}

export interface Plan {
  readonly steps: readonly Step[];
  readonly costs: readonly CostLine[];
  readonly costPerMonth: number;
  readonly eventsPerMonth: number;
  readonly costPerBillionEvents: number;
}

/** Distinct keys among `events` draws from `keys` equally likely ones. An upper bound: with skewed keys there are fewer. */
export function distinctKeys(events: number, keys: number): number {
  return keys * -Math.expm1(-events / keys);
}

/** Plans for steady traffic. */
export function plan(inputs: PlanInputs, prices: Prices): Plan {
  const steps: Step[] = [];
  const add = (name: string, value: number, unit: string, arithmetic: string): number => {
    steps.push({ name, value, unit, arithmetic });
    return value;
  };
  const f = FIGURES, i = inputs, n = numberText;

  const windowEvents = i.eventsPerSecond * i.windowSeconds;
  const rowsPerWindow = add(
    "rows per window",
    Math.ceil(distinctKeys(windowEvents, i.keys)),
    "rows",
    `distinct of ${n(windowEvents)} events over ${n(i.keys)} keys: ${n(i.keys)} × (1 − e^(−${n(windowEvents)} ÷ ${
      n(i.keys)
    }))`,
  );
  add("events per row", windowEvents / rowsPerWindow, "events", `${n(windowEvents)} ÷ ${n(rowsPerWindow)}`);
  const dirtyPerCommit = distinctKeys(i.eventsPerSecond * i.commitSeconds, i.keys);
  const dirtyKeys = add(
    "dirty keys per second",
    dirtyPerCommit / i.commitSeconds,
    "keys/s",
    `distinct of ${n(i.eventsPerSecond * i.commitSeconds)} events a commit over ${n(i.keys)} keys, ÷ ${
      n(i.commitSeconds)
    } s`,
  );
  const rowsPerSecond = add(
    "rows per second",
    rowsPerWindow / i.windowSeconds,
    "rows/s",
    `${n(rowsPerWindow)} rows ÷ ${n(i.windowSeconds)} s`,
  );

  const serviceCpu = add(
    "service, live",
    i.eventsPerSecond * f.serviceCpu.value / 1e6,
    "CPUs",
    `${n(i.eventsPerSecond)}/s × ${n(f.serviceCpu.value)} CPU-s ÷ 1,000,000`,
  );
  const engines = add(
    "engines",
    Math.max(1, Math.ceil(serviceCpu * i.catchUp)),
    "engines of one CPU",
    `${n(serviceCpu)} CPUs × ${n(i.catchUp)} to catch up, rounded up`,
  );
  add(
    "partitions",
    Math.max(PARTITIONS_MIN, engines * PARTITIONS_PER_ENGINE),
    "partitions",
    `${n(engines)} engines × ${PARTITIONS_PER_ENGINE}, at least ${PARTITIONS_MIN}`,
  );
  const memory = add(
    "service memory",
    engines * f.serviceMemory.value,
    "MiB",
    `${n(engines)} engines × ${n(f.serviceMemory.value)} MiB while catching up`,
  );
  const postgresCpu = add(
    "PostgreSQL, live",
    Math.max(dirtyKeys, rowsPerSecond) * f.postgresCpu.value / 1e6,
    "CPUs",
    `${n(Math.max(dirtyKeys, rowsPerSecond))} dirty keys/s × ${n(f.postgresCpu.value)} µs`,
  );

  const rowBytes = f.rowBytes.value + i.textBytes;
  const tablePerDay = add(
    "table per day",
    rowsPerSecond * DAY_S * rowBytes,
    "bytes",
    `${n(rowsPerSecond)} rows/s × 86,400 s × (${n(f.rowBytes.value)} + ${n(i.textBytes)} text) bytes`,
  );
  const rollupPerDay = add(
    "roll-ups per day",
    i.dailyKeys * f.dayRowBytes.value,
    "bytes",
    `${n(i.dailyKeys)} keys a day × ${n(f.dayRowBytes.value)} bytes`,
  );
  const checkpoints = 7 * DAY_S / i.commitSeconds * engines * f.checkpointBytes.value;
  const size = add(
    "PostgreSQL size",
    i.retentionDays * (tablePerDay + rollupPerDay) + checkpoints,
    "bytes",
    `${n(i.retentionDays)} days × (${bytesText(tablePerDay)} + ${bytesText(rollupPerDay)}) + 7 days of checkpoints ${
      bytesText(checkpoints)
    }`,
  );
  const commitsPerSecond = engines / i.commitSeconds;
  const walPerSecond = add(
    "write-ahead log",
    rowsPerSecond * (f.walPerRow.value + i.textBytes) + dirtyKeys * f.walPerDirtyKey.value +
      commitsPerSecond * f.walPerCommit.value,
    "bytes/s",
    `${n(rowsPerSecond)} rows/s × (${n(f.walPerRow.value)} + ${n(i.textBytes)}) + ${n(dirtyKeys)} keys/s × ${
      n(f.walPerDirtyKey.value)
    } + ${n(commitsPerSecond)} commits/s × ${n(f.walPerCommit.value)}`,
  );
  add(
    "write-ahead log per million events",
    walPerSecond / i.eventsPerSecond * 1e6,
    "bytes",
    `${bytesText(walPerSecond)}/s ÷ ${n(i.eventsPerSecond)}/s × 1,000,000`,
  );
  const topic = add(
    "Kafka disk",
    i.eventsPerSecond * i.eventBytes * DAY_S * i.kafkaDays * i.kafkaReplicas,
    "bytes",
    `${n(i.eventsPerSecond)}/s × ${n(i.eventBytes)} bytes × 86,400 s × ${n(i.kafkaDays)} days × ${
      n(i.kafkaReplicas)
    } copies, before compression`,
  );
  const transfers = i.kafkaReplicas + 1;
  const networkPerMonth = add(
    "network per month",
    (i.eventsPerSecond * i.eventBytes * transfers + walPerSecond) * DAY_S * MONTH_DAYS,
    "bytes",
    `(${
      bytesText(i.eventsPerSecond * i.eventBytes)
    }/s × ${transfers}: written, copied, read; commits about as the log, ${bytesText(walPerSecond)}/s) × 30.42 days`,
  );

  const hours = MONTH_DAYS * 24;
  const cost = (component: string, perMonth: number, arithmetic: string): CostLine => ({
    component,
    perMonth,
    arithmetic,
  });
  const gib = (bytes: number) => bytes / GIB;
  const costs = [
    cost(
      "engine",
      hours * (serviceCpu * prices.cpuHour + memory * MIB / GIB * prices.memoryGibHour),
      `730 h × (${n(serviceCpu)} CPUs × ${n(prices.cpuHour)} + ${bytesText(memory * MIB)} × ${
        n(prices.memoryGibHour)
      })`,
    ),
    cost("database", hours * postgresCpu * prices.cpuHour, `730 h × ${n(postgresCpu)} CPUs × ${n(prices.cpuHour)}`),
    cost("storage of the database", gib(size) * prices.diskGibMonth, `${bytesText(size)} × ${n(prices.diskGibMonth)}`),
    cost(
      "broker",
      hours * (i.brokerCpus * prices.cpuHour + i.brokerMemoryGib * prices.memoryGibHour),
      `730 h × (${n(i.brokerCpus)} CPUs × ${n(prices.cpuHour)} + ${n(i.brokerMemoryGib)} GiB × ${
        n(prices.memoryGibHour)
      })`,
    ),
    cost("storage of the broker", gib(topic) * prices.diskGibMonth, `${bytesText(topic)} × ${n(prices.diskGibMonth)}`),
    cost(
      "network",
      gib(networkPerMonth) * prices.networkGib,
      `${bytesText(networkPerMonth)} × ${n(prices.networkGib)}`,
    ),
    cost(
      "backup",
      i.backups * gib(size) * prices.backupGibMonth,
      `${n(i.backups)} copies × ${bytesText(size)} × ${n(prices.backupGibMonth)}`,
    ),
    cost("monitoring", prices.monitoringMonth, "as given"),
  ];
  const costPerMonth = costs.reduce((sum, { perMonth }) => sum + perMonth, 0);
  const eventsPerMonth = i.eventsPerSecond * DAY_S * MONTH_DAYS;
  return { steps, costs, costPerMonth, eventsPerMonth, costPerBillionEvents: costPerMonth / eventsPerMonth * 1e9 };
}
