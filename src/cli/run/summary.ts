// What `run --once` says at its end: what was counted, late and dead, why, and what to do about it. Pure.
import { DEAD_REASON_WORDS, type DeadReason } from "../../shared/dead_reasons.ts";
import type { StoredDead, StoredTotals } from "../../shared/snapshot.ts";
import { countText } from "../../shared/count_text.ts";

/** Above this share late records are explained. */
const LATE_SHARE_TOLD = 0.01;

export interface RunSummary {
  /** Topic or path. */
  readonly log: string;
  readonly source: "kafka" | "file" | "demo";
  readonly stored: StoredTotals;
  /** Where the first dead letter of a reason lies, in words. */
  readonly place: (first: StoredDead["first"]) => string;
  /** WATERMARK_DELAY in words. */
  readonly watermarkDelay: string;
  readonly latePolicy: "store" | "drop";
  /** DEAD_SHARE_MAX in percent. */
  readonly deadShareMax: number;
}

/** The summary, a line each; `tooManyDead`: the share of dead letters is above what the setting allows. */
export function summarize(summary: RunSummary): { readonly lines: readonly string[]; readonly tooManyDead: boolean } {
  const { log, stored, deadShareMax } = summary;
  const { counted, late, dead } = stored;
  const read = counted + late + dead;
  const what = summary.source === "file" ? "lines" : "records";
  if (read === 0) return { lines: [`Nothing new to read in ${log}.`], tooManyDead: false };
  const lines = [
    `Read ${countText(read)} ${what} of ${log}: ${countText(counted)} counted, ${countText(late)} late, ${
      countText(dead)
    } dead.`,
  ];
  if (late > LATE_SHARE_TOLD * read) lines.push(...lateHint(summary, late / read));
  for (const [reason, entry] of Object.entries(stored.byReason) as [DeadReason, StoredDead][]) {
    lines.push(
      `  ${countText(entry.records)} ${reason}: ${DEAD_REASON_WORDS[reason]}. The first: ${
        summary.place(entry.first)
      }.`,
    );
  }
  const tooManyDead = dead === read || dead * 100 > deadShareMax * read;
  if (tooManyDead) {
    lines.push(
      dead === read
        ? `All ${what} are dead: the exit code is 6. FILE_FORMAT says how lines are read; \`tidemark dead-letters list\` shows where they lie.`
        : `More than ${deadShareMax} % of the ${what} (DEAD_SHARE_MAX) are dead: the exit code is 6. \`tidemark dead-letters list\` shows where they lie.`,
    );
  }
  return { lines, tooManyDead };
}

function lateHint({ source, watermarkDelay, latePolicy }: RunSummary, share: number): string[] {
  const percent = share * 100 < 10 ? (share * 100).toFixed(1) : String(Math.round(share * 100));
  const files =
    "files that were read in another order than they were written, several servers in one file, a server that " +
    "writes long requests at their end or many lines at once";
  const causes = source === "file"
    ? files
    : "history that is sent beside what happens now, partitions with several producers";
  return [
    `  ${percent} % are late: they came more than WATERMARK_DELAY (${watermarkDelay}) behind newer ones. Causes: ${causes}. ` +
    `A longer WATERMARK_DELAY counts them in a new stream.${
      latePolicy === "store" ? " Reports take them in with late=include." : ""
    }`,
  ];
}
