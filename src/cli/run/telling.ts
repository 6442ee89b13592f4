// The output of `run`: a progress line on a terminal, and the summary at the end of `--once`. Shell.
import { logName } from "../../app/wiring.ts";
import { readFilePaths } from "../../http/api/stream/dead_letters_query.ts";
import { fileText } from "../../http/api/stream/file_place.ts";
import type { Clock } from "../../shared/clock.ts";
import { formatDuration } from "../../shared/config/kinds.ts";
import { EXIT, type ExitCode } from "../../shared/errors.ts";
import { printable } from "../../shared/printable.ts";
import type { PipelineSnapshot, StoredDead } from "../../shared/snapshot.ts";
import type { ReadDatabase } from "../../shared/sql.ts";
import { durationMs } from "../../shared/units.ts";
import type { CommandContext } from "../command.ts";
import { progressText } from "../progress_line.ts";
import { summarize } from "./summary.ts";

const PROGRESS_EVERY = durationMs(500);
/** A service shows progress only if it is more than this behind, in records or bytes. */
const BEHIND_MIN = 1_000_000;
const TIMEOUT_MS = 30_000;

/** Shows a progress line on a terminal while there is much to read. */
export async function showProgress(
  { clock, errIsTerminal, progress, settings, flags }:
    & Pick<CommandContext, "errIsTerminal" | "progress" | "flags">
    & { readonly clock: Clock; readonly settings: Pick<CommandContext["settings"], "SOURCE"> },
  snapshots: () => readonly PipelineSnapshot[],
  signal: AbortSignal,
): Promise<void> {
  if (!errIsTerminal) return;
  const started = clock.now();
  while (!signal.aborted) {
    await clock.sleep(PROGRESS_EVERY, signal);
    const all = snapshots();
    const reading = all.flatMap(({ reading }) => reading ?? []);
    const done = reading.reduce((sum, one) => sum + one.done, 0);
    const total = reading.reduce((sum, one) => sum + one.total, 0);
    const records = all.reduce((sum, { totals }) => sum + totals.records, 0);
    const isBehind = flags.once || total - done > BEHIND_MIN;
    const at = { done, total: reading.length === 0 ? null : total, records, elapsedMs: clock.now() - started };
    progress(signal.aborted || !isBehind ? "" : progressText(at, settings.SOURCE === "file" ? "lines" : "records"));
  }
}

/** Prints the summary of a run with `--once`. Returns the exit code. */
export async function tellEnd(
  { out, settings }: CommandContext,
  snapshots: readonly PipelineSnapshot[],
  database: ReadDatabase,
): Promise<ExitCode> {
  const stored = snapshots[0]!.totals.stored; // --once runs one engine
  const firsts = Object.values(stored.byReason).map(({ first }) => first);
  const paths = await readFilePaths(database, firsts, TIMEOUT_MS);
  const place = (first: StoredDead["first"]) => {
    const path = paths[firsts.indexOf(first)] ?? null;
    return path === null
      ? `partition ${first.partition}, offset ${first.offset}`
      : fileText({ path, line: first.line, byte: first.offset % 2 ** 36 });
  };
  const { lines, tooManyDead } = summarize({
    log: printable(logName(settings)),
    source: settings.SOURCE,
    stored,
    place,
    watermarkDelay: formatDuration(settings.WATERMARK_DELAY),
    latePolicy: settings.LATE_POLICY,
    deadShareMax: settings.DEAD_SHARE_MAX,
  });
  for (const line of lines) out(line);
  return tooManyDead ? EXIT.findings : EXIT.ok;
}
