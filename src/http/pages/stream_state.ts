// Text about the state of the stream for the header of every page. Pure.
import type { PipelineSnapshot } from "../../shared/snapshot.ts";
import { type EpochMs, MINUTE } from "../../shared/units.ts";
import { readiness } from "../api/readiness.ts";
import type { StreamState } from "../api/stream/stream_rows.ts";
import type { StreamStats } from "../api/stream/stream_stats.ts";

/** What the header shows; each kind has its own sign, so that colour is never the only difference. */
type StreamKind = "healthy" | "catching_up" | "waiting" | "trouble" | "stopped" | "empty" | "reading";

export interface StreamWords {
  readonly kind: StreamKind;
  /** Few words. */
  readonly label: string;
  /** One sentence, or "". */
  readonly detail: string;
  /** Share of the log that has been read, 0 to 1, while the stream catches up. */
  readonly progress: number | null;
}

/** A smaller lag is not shown: the next fetch reads it. */
const BEHIND_MS = MINUTE;
/** Out-of-order events hold a few windows open; more than an hour of windows is a backlog. */
const OPEN_WINDOWS_MAX = 12;

interface StreamStateInputs {
  /** null: the database does not answer. undefined: it has no stream yet. */
  readonly state: StreamState | null | undefined;
  /** null if they were not read. */
  readonly stats: Pick<StreamStats, "windows_open" | "windows_closed"> | null;
  readonly snapshots: readonly PipelineSnapshot[];
  readonly now: EpochMs;
  readonly progressTimeoutMs: Parameters<typeof readiness>[0]["progressTimeoutMs"];
  readonly upkeep?: Parameters<typeof readiness>[0]["upkeep"] | undefined;
  /** Of other processes, if this one has no engine. */
  readonly elsewhere?: Parameters<typeof readiness>[0]["elsewhere"] | undefined;
}

/** Says how the stream is. */
export function streamWords(
  { state, stats, snapshots, now, progressTimeoutMs, upkeep, elsewhere }: StreamStateInputs,
): StreamWords {
  if (state === null) {
    return words(
      "trouble",
      "Database away",
      "PostgreSQL does not answer. Nothing is lost: reading goes on when it is back.",
    );
  }
  if (state?.stream.stopped_code != null) {
    const { stopped_code: code, stopped_message: message } = state.stream;
    return words("stopped", `Stopped: ${code}`, message ?? "An operator resumes it: tidemark resume.");
  }
  if (snapshots.length === 0) {
    const [fault] = readiness({ snapshots, now, progressTimeoutMs, elsewhere, databaseProblem: null }).degraded;
    if (fault !== undefined) return words("trouble", `Degraded: ${fault.code}`, fault.reason);
    return state === undefined
      ? words("empty", "No stream yet", "Nothing was read into this database so far.")
      : words("reading", "Read-only", "This process shows what others read.");
  }
  const behind = catchingUp(snapshots, now) ?? closing(stats, snapshots);
  if (behind !== null) return behind;
  const { reasons, degraded } = readiness({ snapshots, now, progressTimeoutMs, upkeep, databaseProblem: null });
  const [first] = reasons;
  if (first !== undefined) {
    const starting = snapshots.some(({ phase }) => phase === "starting");
    return words(starting ? "waiting" : "trouble", starting ? "Starting" : `Trouble: ${first.code}`, first.reason);
  }
  const [worse] = degraded;
  if (worse !== undefined) return words("trouble", `Degraded: ${worse.code}`, worse.reason);
  return words("healthy", "Healthy", "All partitions are read to their end.");
}

function words(kind: StreamKind, label: string, detail: string): StreamWords {
  return { kind, label, detail, progress: null };
}

/** Everything is read; the windows of a backlog are closed one by one. */
function closing(stats: StreamStateInputs["stats"], snapshots: readonly PipelineSnapshot[]): StreamWords | null {
  if (stats === null || stats.windows_open <= OPEN_WINDOWS_MAX || !snapshots.some(({ phase }) => phase === "running")) {
    return null;
  }
  const progress = stats.windows_closed / (stats.windows_closed + stats.windows_open);
  return {
    kind: "catching_up",
    label: `Closing windows ${Math.floor(100 * progress)} %`,
    detail: `All records are read; ${stats.windows_open.toLocaleString("en")} windows are left to close.`,
    progress,
  };
}

function catchingUp(snapshots: readonly PipelineSnapshot[], now: number): StreamWords | null {
  const partitions = snapshots.filter(({ phase }) => phase === "running").flatMap((snapshot) => snapshot.partitions);
  const left = partitions.reduce((sum, p) => sum + Math.max(0, (p.logEnd ?? p.position) - p.position), 0);
  const behind = partitions.filter((p) =>
    p.logEnd !== null && p.position < p.logEnd && now - p.lastEventTime > BEHIND_MS
  );
  if (left === 0 || behind.length === 0) return null;
  const end = partitions.reduce((sum, p) => sum + (p.logEnd ?? p.position), 0);
  const progress = end === 0 ? 0 : (end - left) / end;
  const demo = snapshots.some(({ source }) => source === "demo");
  const percent = `${Math.floor(100 * progress)} %`;
  return {
    kind: "catching_up",
    label: demo ? `Preparing history ${percent}` : `Catching up ${percent}`,
    detail: `${
      left.toLocaleString("en")
    } records are left to read in ${behind.length} of ${partitions.length} partitions.`,
    progress,
  };
}
