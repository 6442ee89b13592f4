// Explains why a window is open, which partitions hold it, and what would close it. Pure.
import type { PipelineSnapshot } from "../../../shared/snapshot.ts";
import { epochMs } from "../../../shared/units.ts";
import type { AppSettings } from "../../server/deps.ts";
import { stepFault, stepInWords } from "../readiness.ts";
import { livePartitions } from "./pipeline_view.ts";
import { isoAlways } from "../schemas.ts";
import type { StreamState } from "./stream_rows.ts";
import { effectiveWatermark, type Hold, holdOf } from "./watermark_hold.ts";
import type { WindowRow } from "./windows_query.ts";

interface Holder extends Hold {
  readonly partition: number;
  /** Committed watermark, or its owner's, epoch ms; null before the first record. */
  readonly watermark: number | null;
}

export const EXPLAIN_STATES = ["closed", "open", "empty", "retired"] as const;

export interface Explanation {
  readonly state: typeof EXPLAIN_STATES[number];
  readonly summary: string;
  /** Partitions whose watermark is below the window's end, furthest behind first. */
  readonly holders: readonly Holder[];
}

interface ExplainInputs {
  /** Epoch ms, inclusive. */
  readonly start: number;
  readonly row: WindowRow | undefined;
  readonly state: StreamState;
  readonly snapshots: readonly PipelineSnapshot[];
  readonly now: number;
  readonly settings: AppSettings;
}

/** Explains one window of the stream. */
export function explainWindow(inputs: ExplainInputs): Explanation {
  const { start, row, state } = inputs;
  const end = start + state.stream.window_size_ms;
  const name = `The window from ${isoAlways(start)} to ${isoAlways(end)}`;
  if (row?.state === "closed") {
    const by = row.confirmed
      ? "and records have confirmed it: its numbers are final"
      : "because its partitions were silent: its numbers are provisional until a later record confirms it";
    return { state: "closed", summary: `${name} is closed, ${by}.`, holders: [] };
  }
  const holders = holdersOf(inputs, end);
  if (row === undefined && end <= (state.stream.retired_through ?? -Infinity)) {
    return { state: "retired", summary: `${name} is older than what retention keeps.`, holders: [] };
  }
  if (row === undefined) {
    const over = holders.length === 0
      ? "and all watermarks have passed it: it holds no record and never will."
      : `and may still get some: ${count(holders.length)} not passed its end.`;
    return { state: "empty", summary: `${name} holds no record ${over}`, holders };
  }
  const summary = holders.length === 0
    ? `${name} is open; all watermarks have passed its end, ${closingInWords(inputs)}.`
    : `${name} is open: ${count(holders.length)} not passed its end. Partition ${holders[0]!.partition}: ${
      holders[0]!.reason
    }.`;
  return { state: "open", summary, holders };
}

/** What happens to a window that can be closed. This process knows its own closings. */
function closingInWords({ snapshots, now, settings }: ExplainInputs): string {
  const failing = snapshots.map(({ steps }) => steps.closing).find(({ state }) => state === "failing");
  if (failing) return `but the ${stepInWords("closing", failing, epochMs(now)).replace(/\.$/, "")}`;
  const stuck = snapshots.map(({ steps }) =>
    stepFault("closing", steps.closing, epochMs(now), settings.progressTimeoutMs)
  ).find((fault) => fault !== null);
  if (stuck) return `but ${stuck.reason.replace(/\.$/, "")}`;
  return snapshots.length > 0 ? "so the next tick closes it" : "so the instance that reads it closes it next";
}

function holdersOf({ state, snapshots, now, settings }: ExplainInputs, end: number): Holder[] {
  const live = livePartitions(snapshots);
  const { watermarkDelayMs, idleTimeoutMs } = settings;
  const { stopped_code: stoppedCode } = state.stream;
  return state.partitions.flatMap((row): Holder[] => {
    const seen = live.get(row.partition);
    const held = holdOf({ row, live: seen, stoppedCode, target: end, now, watermarkDelayMs, idleTimeoutMs });
    if (held === null) return [];
    const watermark = effectiveWatermark(row, seen);
    return [{ ...held, partition: row.partition, watermark: Number.isFinite(watermark) ? watermark : null }];
  }).sort((a, b) => (a.watermark ?? -Infinity) - (b.watermark ?? -Infinity) || a.partition - b.partition);
}

function count(partitions: number): string {
  return partitions === 1 ? "the watermark of 1 partition has" : `the watermarks of ${partitions} partitions have`;
}
