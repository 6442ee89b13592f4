// Explains why a partition's watermark has not passed a time yet, and what would raise it. Pure.
import type { PartitionSnapshot } from "../../../shared/snapshot.ts";
import type { StreamPartition } from "./stream_rows.ts";

export const HOLD_CODES = [
  "stream_stopped",
  "not_owned",
  "loading",
  "contested",
  "lagging",
  "open_transaction",
  "not_over",
  "no_record_yet",
  "waiting_for_idle_timeout",
  "idle_off",
  "idle_advance_due",
] as const;
type HoldCode = typeof HOLD_CODES[number];

/** What holds a watermark. `closes_at`: the earliest time at which silence alone may raise it (epoch ms). */
export interface Hold {
  readonly code: HoldCode;
  readonly reason: string;
  readonly would_close: string;
  readonly closes_at: number | null;
}

interface HoldInputs {
  readonly row: StreamPartition;
  /** This process's view of the partition; undefined if it does not own it. */
  readonly live: PartitionSnapshot | undefined;
  readonly stoppedCode: string | null;
  /** The time that the watermark must reach, epoch ms. */
  readonly target: number;
  readonly now: number;
  readonly watermarkDelayMs: number;
  readonly idleTimeoutMs: number | null;
}

/** The higher of the committed watermark and the owner's live one. */
export function effectiveWatermark(row: StreamPartition, live: PartitionSnapshot | undefined): number {
  return Math.max(row.watermark ?? -Infinity, live?.watermark ?? -Infinity);
}

/** What holds the partition's watermark below `target`; null if nothing does, or if the partition is retired. */
export function holdOf(inputs: HoldInputs): Hold | null {
  const { row, live, target } = inputs;
  if (row.retired || (row.watermark ?? -Infinity) >= target) return null;
  if (inputs.stoppedCode !== null) {
    return hold(
      "stream_stopped",
      `the stream is stopped by ${inputs.stoppedCode}`,
      "an operator resumes it, see docs/runbook.md",
    );
  }
  if (live === undefined) {
    return hold(
      "not_owned",
      "this instance does not read the partition: another instance reads it, or none does",
      "its owner reads on: look at that instance, or start one if no instance is running",
    );
  }
  return readerHold(live) ?? silenceHold(inputs, live);
}

/** Causes in reading itself. */
function readerHold(live: PartitionSnapshot): Hold | null {
  if (live.state === "loading") {
    return hold("loading", "its position is being loaded", "the position is read from PostgreSQL");
  }
  if (live.state === "contested") {
    const reason = "another instance has moved it, and the group has not given it back";
    return hold("contested", reason, "the group confirms an owner");
  }
  const { logEnd, lastStable, position } = live;
  if (logEnd === null) return hold("loading", "no fetch has been answered yet", "the first fetch is answered");
  if (lastStable !== null && lastStable < logEnd && position >= lastStable) {
    const reason = `a transaction is open at offset ${lastStable}: ${
      logEnd - lastStable
    } offsets behind it cannot be read`;
    return hold("open_transaction", reason, "the producer commits or aborts it, or the broker times it out");
  }
  if (position < logEnd) {
    return hold("lagging", `${logEnd - position} records are left to read`, "they are read");
  }
  return null;
}

/** Everything has been read: only a newer record or silence can raise the watermark. */
function silenceHold({ row, target, now, watermarkDelayMs, idleTimeoutMs }: HoldInputs, live: PartitionSnapshot): Hold {
  const overAt = target + watermarkDelayMs;
  const record = `a record with event time ${new Date(overAt).toISOString()} or later arrives`;
  if (idleTimeoutMs === null) {
    return hold("idle_off", "everything is read, and IDLE_TIMEOUT is off", record);
  }
  const idleAt = row.raised_at + idleTimeoutMs;
  const closesAt = Math.max(overAt, idleAt);
  if (now < overAt) {
    return hold("not_over", "the window and its delay are not over yet", `${record}, or silence until then`, closesAt);
  }
  const nothingYet = row.next_offset === row.first_offset && live.position === row.first_offset;
  if (now < idleAt) {
    return nothingYet
      ? hold(
        "no_record_yet",
        "it has no record yet, and IDLE_TIMEOUT is not over",
        `${record}, or silence`,
        idleAt,
      )
      : hold(
        "waiting_for_idle_timeout",
        "everything is read; IDLE_TIMEOUT is not over",
        `${record}, or silence`,
        idleAt,
      );
  }
  return hold(
    "idle_advance_due",
    "everything is read and it was silent long enough",
    "the next fetch and commit",
    closesAt,
  );
}

function hold(code: HoldCode, reason: string, would_close: string, closes_at: number | null = null): Hold {
  return { code, reason, would_close, closes_at };
}
