// One engine's state as health, metrics and pages see it. Pure.
import type { PipelineSnapshot } from "../shared/snapshot.ts";
import type { EngineState } from "./state.ts";

/** Copies: later changes of the state do not show in them. */
export function snapshotOf(state: EngineState): PipelineSnapshot {
  const { settings, parts: { source, clock }, contested, wanted, lastCommit } = state;
  return {
    instance: settings.instance,
    source: source.kind,
    topic: settings.stream.topic,
    startedAt: state.startedAt,
    now: clock.now(),
    phase: state.phase,
    reason: state.reason?.text ?? null,
    reasonCode: state.reason?.code ?? null,
    generation: state.assignment?.generation ?? 0,
    partitions: [...state.trackers.values()].sort((a, b) => a.partition - b.partition).map((tracker) => ({
      partition: tracker.partition,
      position: tracker.position,
      committed: tracker.committed,
      logEnd: tracker.logEnd,
      lastStable: tracker.lastStable,
      watermark: tracker.watermark,
      lastEventTime: tracker.lastEventTime,
      progressAt: tracker.progressAt,
      quietSince: tracker.quietSince,
      state: contested.has(tracker.partition)
        ? "contested"
        : wanted?.partitions.has(tracker.partition)
        ? "loading"
        : "flowing",
    })),
    store: state.store,
    commit: {
      lastAt: lastCommit?.at ?? null,
      lastDurationMs: lastCommit?.durationMs ?? null,
      lastKeys: lastCommit?.keys ?? null,
      pendingRecords: state.pendingRecords,
      pendingKeys: state.delta.keys,
      inFlight: state.sending !== null,
      fenced: state.fenced,
      unknownOutcomes: state.unknown,
    },
    steps: state.steps.states(),
    totals: structuredClone(state.totals),
    reading: source.progress?.() ?? readingOf(state),
  };
}

/** Progress in records; null if offsets do not count records. */
function readingOf({ trackers, begins, targets, settings }: EngineState): PipelineSnapshot["reading"] {
  if (!settings.rules.offsetsCountRecords) return null;
  let done = 0, total = 0;
  for (const { partition, position, logEnd } of trackers.values()) {
    const begin = begins.get(partition) ?? position, end = targets.get(partition) ?? logEnd ?? position;
    done += position - begin;
    total += Math.max(end, position) - begin;
  }
  return { done, total };
}
