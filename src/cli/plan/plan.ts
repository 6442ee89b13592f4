// `tidemark plan`: computes what a given traffic needs from measured figures. Connects to no server.
import { boolean, bytes, decimal, duration, integer, oneOf } from "../../shared/config/kinds.ts";
import { EXIT } from "../../shared/errors.ts";
import { DAY, SECOND } from "../../shared/units.ts";
import { defineCommand, flag } from "../command.ts";
import { beside, OLD_ENGINES, renderBeside } from "./plan_beside.ts";
import { FIGURES } from "./plan_figures.ts";
import { bytesText, numberText } from "../../shared/quantities.ts";
import { type Plan, plan } from "./plan_model.ts";

const price = (doc: string) => flag(decimal(0, 1e6), { default: "0", doc });

export const command = defineCommand({
  usage: "",
  description:
    "Give your own prices in your currency; a missing price counts as 0. `--figures` prints the measured figures and the commands that measure them again.",
  groups: ["windows", "commits"],
  flags: {
    "events-per-second": flag(decimal(0.001, 1e9), { default: "1000", doc: "Mean rate." }),
    keys: flag(integer(1, 1e9), {
      default: "20000",
      doc: "Distinct combinations of host, referrer and place in one window.",
    }),
    "daily-keys": flag(integer(1, 1e9), {
      default: "5000",
      doc: "Sum of the distinct places, countries, hosts and referrers of one day.",
    }),
    retention: flag(duration(DAY, 36_500 * DAY), { default: "365d", doc: "Retention of closed windows." }),
    "event-bytes": flag(bytes(1, 2 ** 20), { default: "400B", doc: "Mean size of a record." }),
    "text-bytes": flag(integer(1, 8192), {
      default: String(FIGURES.textBytes.value),
      doc: "Mean bytes of all texts of a row: host, referrer, country, region and city.",
    }),
    "kafka-retention": flag(duration(SECOND, 36_500 * DAY), { default: "7d", doc: "Retention of the topic." }),
    "kafka-copies": flag(integer(1, 10), { default: "3", doc: "Copies of the topic." }),
    "catch-up": flag(decimal(1, 100), {
      default: "4",
      doc:
        "Speed of catching up after an outage, as a multiple of the live rate: 4 catches up one hour in twenty minutes.",
    }),
    backups: flag(integer(0, 1000), { default: "7", doc: "Full copies of the database that are kept." }),
    "broker-cpus": flag(decimal(0, 1e6), { default: "0", doc: "CPUs of your brokers; 0 if you have them anyway." }),
    "broker-memory": flag(decimal(0, 1e6), { default: "0", doc: "GiB of memory of your brokers." }),
    "price-cpu-hour": price("One CPU for an hour."),
    "price-memory-hour": price("One GiB of memory for an hour."),
    "price-disk-month": price("One GiB of disk for a month."),
    "price-network": price("One GiB over the network."),
    "price-backup-month": price("One GiB of backup for a month."),
    "price-monitoring-month": price("All of your monitoring for a month."),
    beside: flag(oneOf(...OLD_ENGINES), {
      doc: "Also compare processors and memory with those of the replaced stack with this engine.",
    }),
    figures: flag(boolean, { doc: "Print the measured figures and their sources." }),
    json: flag(boolean, { doc: "One JSON object." }),
  },
  run(_args, { flags, settings, out }) {
    if (flags.figures) {
      for (const [name, { value, unit, source }] of Object.entries(FIGURES)) {
        out(`${name.padEnd(16)} ${numberText(value)} ${unit}\n${" ".repeat(17)}${source}`);
      }
      return Promise.resolve(EXIT.ok);
    }
    const prices = {
      cpuHour: flags["price-cpu-hour"],
      memoryGibHour: flags["price-memory-hour"],
      diskGibMonth: flags["price-disk-month"],
      networkGib: flags["price-network"],
      backupGibMonth: flags["price-backup-month"],
      monitoringMonth: flags["price-monitoring-month"],
    };
    const result = plan({
      eventsPerSecond: flags["events-per-second"],
      keys: flags.keys,
      dailyKeys: flags["daily-keys"],
      windowSeconds: settings.WINDOW_SIZE / SECOND,
      commitSeconds: settings.COMMIT_INTERVAL / SECOND,
      retentionDays: flags.retention / DAY,
      eventBytes: flags["event-bytes"],
      textBytes: flags["text-bytes"],
      kafkaDays: flags["kafka-retention"] / DAY,
      kafkaReplicas: flags["kafka-copies"],
      catchUp: flags["catch-up"],
      backups: flags.backups,
      brokerCpus: flags["broker-cpus"],
      brokerMemoryGib: flags["broker-memory"],
    }, prices);
    const engine = flags.beside;
    const lines = engine === undefined ? null : beside(result, prices, flags["events-per-second"], engine);
    if (flags.json) out(JSON.stringify(lines === null ? result : { ...result, beside: { engine, lines } }, null, 2));
    else {
      out(renderPlan(result));
      if (lines !== null) out(`\n${renderBeside(lines, engine!)}`);
    }
    return Promise.resolve(EXIT.ok);
  },
});

/** The plan as a page, with one value and its arithmetic per line. */
export function renderPlan({ steps, costs, costPerMonth, costPerBillionEvents, eventsPerMonth }: Plan): string {
  const rows = steps.map(({ name, value, unit, arithmetic }) => {
    const text = unit.startsWith("bytes")
      ? bytesText(value) + unit.slice("bytes".length)
      : `${numberText(value)} ${unit}`;
    return [name, text, `= ${arithmetic}`] as const;
  });
  const money = [
    ...costs.map(({ component, perMonth, arithmetic }) =>
      [component, numberText(perMonth), `= ${arithmetic}`] as const
    ),
    ["together per month", numberText(costPerMonth), ""] as const,
    [
      "per billion events",
      numberText(costPerBillionEvents),
      costPerMonth === 0
        ? "give prices, see --help"
        : `= ${numberText(costPerMonth)} ÷ ${numberText(eventsPerMonth / 1e9)} billion events a month`,
    ] as const,
  ];
  const width = (column: 0 | 1) => Math.max(...[...rows, ...money].map((row) => row[column].length));
  const line = (row: readonly [string, string, string]) =>
    `${row[0].padEnd(width(0))}  ${row[1].padEnd(width(1))}  ${row[2]}`.trimEnd();
  return [...rows.map(line), "", "Cost, in your currency, per month", ...money.map(line)].join("\n");
}
