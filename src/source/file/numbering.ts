// Which partition each log has. Pure.
import { type PartitionId, partitionId } from "../../shared/units.ts";
import type { FoundLog } from "./catalog.ts";
import type { LogName, StoredLog } from "./generations.ts";

/** The logs of one partition: one log, or several that a stream of an earlier release read as one. */
export interface NumberedLog {
  readonly partition: PartitionId;
  readonly logs: readonly LogName[];
  readonly host: string | undefined;
}

/**
 * Gives each log its partition. Stored logs keep theirs even if their files are gone; new ones get the next numbers, in the order of `found`.
 * `first` are the logs that a stream without stored logs has read already, all as partition 0.
 *
 * @returns by rising partition
 */
export function numberLogs(
  stored: readonly StoredLog[],
  found: readonly FoundLog[],
  first: readonly LogName[],
): NumberedLog[] {
  const numbers = new Map<string, number>(stored.map(({ name, partition }) => [name, partition]));
  for (const { name } of first) numbers.set(name, 0);
  let next = Math.max(-1, ...numbers.values()) + 1;
  for (const { name } of found) if (!numbers.has(name)) numbers.set(name, next++);
  const byNumber = new Map<number, { logs: LogName[]; host: string | undefined }>();
  for (const { name, foundBy } of [...stored, ...first, ...found]) {
    const number = numbers.get(name)!;
    const entry = byNumber.get(number) ?? { logs: [], host: undefined };
    if (!entry.logs.some((log) => log.name === name)) entry.logs.push({ name, foundBy });
    entry.host ??= found.find((log) => log.name === name)?.host;
    byNumber.set(number, entry);
  }
  return [...byNumber].map(([number, entry]) => ({ partition: partitionId(number), ...entry })).sort((a, b) =>
    a.partition - b.partition
  );
}
