// Says in Markdown what came of a soak run. Pure.
import type { Comparison } from "./compare.ts";
import { JUDGED_AFTER_MS, type Series } from "./soak_watch.ts";

export interface SoakResult {
  /** All of the run, and the load alone. */
  readonly minutes: number;
  readonly loadMinutes: number;
  readonly seed: number;
  readonly rate: number;
  readonly comparison: Comparison;
  /** Faults done, by what they are. */
  readonly done: ReadonlyMap<string, number>;
  readonly notDone: readonly string[];
  readonly kills: number;
  readonly fenced: number;
  readonly measuredMs: number;
  readonly warmUpMs: number;
  readonly series: {
    readonly rss: Series;
    readonly descriptors: Series;
    readonly tables: ReadonlyMap<string, Series>;
  };
  /** Rows of each table at the end, and the most dead ones seen. */
  readonly rows: ReadonlyMap<string, number>;
  readonly deadRows: ReadonlyMap<string, number>;
  /** Everything for which the run has failed. */
  readonly faults: readonly string[];
}

const MIB = 1024 * 1024;
const mib = (bytes: number) => (bytes / MIB).toFixed(2);

/** The section of docs/reliability.md. */
export function reportOf(r: SoakResult): string {
  const { comparison: c, series } = r;
  const differences = c.differences.length;
  const total = [...r.done.values()].reduce((sum, n) => sum + n, 0);
  const judged = r.measuredMs - r.warmUpMs >= JUDGED_AFTER_MS;
  const lines = [
    `Seed ${r.seed}: ${r.loadMinutes} minutes of ${r.rate} events a second (${
      r.minutes.toFixed(0)
    } minutes until everything was`,
    `compared), ${c.events} events, ${c.rows} rows in ${c.windows} windows, ${c.late} late, ${c.dead} dead letters, ${c.commits} commits,`,
    `${total} faults, ${r.kills} kills, ${r.fenced} times fenced, ${c.idleAdvances} watermarks raised by silence. Differences from the oracle:`,
    `${differences}. Ledger ${c.differences.some((d) => d.startsWith("ledger")) ? "**not balanced**" : "balanced"}.`,
    ...(r.faults.length > 0
      ? ["", "**Failed:**", "", ...r.faults.map((fault) => `- ${fault.replaceAll("\n", " ")}`)]
      : []),
    "",
    `The witness after ${
      (r.warmUpMs / 60_000).toFixed(0)
    } minutes of warm-up, at the end, at most in between, and by least squares over`,
    `${((r.measuredMs - r.warmUpMs) / 60_000).toFixed(0)} minutes${judged ? "" : ", too few to judge slopes"}:`,
    "",
    "| figure | warm | end | most | slope per hour |",
    "| --- | ---: | ---: | ---: | ---: |",
    row("RSS, MiB", series.rss, mib),
    row("descriptors", series.descriptors, (n) => n.toFixed(Number.isInteger(n) ? 0 : 1)),
    "",
    "Tables with all their indexes, in MiB; rows at the end, dead rows at most:",
    "",
    "| table | warm | end | most | slope per hour | rows | dead rows |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...[...series.tables].filter(([name]) => (r.rows.get(name) ?? 0) > 0 || name === "open_delta").sort(([a], [b]) =>
      a < b ? -1 : 1
    ).map(([name, one]) => `${row(`\`${name}\``, one, mib)} ${r.rows.get(name)} | ${r.deadRows.get(name)} |`),
    "",
    "| fault | times |",
    "| --- | ---: |",
    ...[...r.done].sort(([a], [b]) => a < b ? -1 : 1).map(([name, times]) => `| ${name} | ${times} |`),
    ...(r.notDone.length > 0
      ? [
        `| could not be done (${
          [...new Set(r.notDone.map((text) => text.split(":")[0]))].join(", ")
        }) | ${r.notDone.length} |`,
      ]
      : []),
  ];
  return lines.join("\n");
}

const row = (name: string, s: Series, text: (n: number) => string) =>
  `| ${name} | ${text(s.warm)} | ${text(s.end)} | ${text(s.max)} | ${s.slopePerHour < 0 ? "-" : "+"}${
    text(Math.abs(s.slopePerHour))
  } |`;
