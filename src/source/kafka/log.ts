// Maps kafkajs' log entries to ours. kafkajs logs ordinary events as ERROR (a rebalance, a broker that restarts). The source itself reports
// what an operator must know, so entries of kafkajs become warnings at most. No I/O.
import { logLevel } from "kafkajs";
import type { Log, LogFields } from "../../shared/log.ts";

interface Entry {
  readonly namespace: string;
  readonly level: number;
  readonly log: { readonly message: string; readonly [field: string]: unknown };
}

/** Ordinary events when members join or leave. */
const ORDINARY = /rebalanc|re-joining|REBALANCE_IN_PROGRESS|has joined the group/i;
/** Events that the source itself reports, as one `unavailable` per try. */
const REPORTED =
  /^(Connection error|Connection timeout|Failed to connect|Crash:|Restarting the consumer|Response |Request )/;
const FIELDS = ["broker", "groupId", "topic", "partition", "error", "retryCount"] as const;

/** A log creator for kafkajs' `logCreator` option. */
export function kafkaLogCreator(log: Log): () => (entry: Entry) => void {
  const own = log.with({ client: "kafkajs" });
  return () => ({ level, namespace, log: { message, ...rest } }) => {
    const fields: Record<string, string | number> = {};
    for (const name of FIELDS) {
      const value = rest[name];
      if (typeof value === "string" || typeof value === "number") fields[name] = value;
    }
    own[severity(level, message)](namespace === "" ? message : `${namespace}: ${message}`, fields satisfies LogFields);
  };
}

function severity(level: number, message: string): "debug" | "info" | "warn" {
  if (ORDINARY.test(message)) return level >= logLevel.INFO ? "debug" : "info";
  if (level >= logLevel.WARN || REPORTED.test(message)) return "debug";
  return "warn";
}
