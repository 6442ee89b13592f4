// The generated tables of docs/monitoring.md: metrics out of the catalogue, alerts out of the rule file. No I/O.
import { METRICS_CATALOGUE, type MetricSpec } from "../src/http/api/metrics/catalogue.ts";
import { table } from "./docs_table.ts";

/** A row per metric. */
export function renderMetricsTable(): string {
  const rows = Object.entries(METRICS_CATALOGUE).map(([name, spec]) => {
    const { type, help, labels }: MetricSpec = spec;
    return [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(", "), help];
  });
  return table(["Metric", "Type", "Labels", "Meaning"], rows).join("\n");
}

/** An alert as the rule file has it. */
export interface Alert {
  readonly name: string;
  readonly severity: string;
  readonly after: string;
  readonly expression: string;
  readonly runbook: string;
}

/** The alerts of a rule file. A rule is a few plain lines: a parser of YAML would be a dependency for this alone. */
export function alertsOf(rules: string): readonly Alert[] {
  return rules.split(/^ {6}- (?=alert: |record: )/m).filter((part) => part.startsWith("alert: ")).map((part) => {
    const field = (name: string) => new RegExp(`^ *${name}: (.+)$`, "m").exec(part)?.[1] ?? "";
    return {
      name: field("alert"),
      severity: /severity: (\w+)/.exec(part)?.[1] ?? "",
      after: field("for") || "at once",
      expression: field("expr"),
      runbook: field("runbook"),
    };
  });
}

/** A row per alert. */
export function renderAlertsTable(rules: string): string {
  return table(
    ["Alert", "Severity", "When, for how long"],
    alertsOf(rules).map(({ name, severity, after, expression, runbook }) => [
      `[${name}](${runbook.replace(/^docs\//, "")})`,
      severity,
      `\`${expression}\`, ${after}`,
    ]),
  ).join("\n");
}
