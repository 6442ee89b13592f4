// The summary at the end of `run --once`: records counted, late and dead, why, and what to do. Pure.
import { DEAD_REASON_WORDS, type DeadReason } from "../../shared/dead_reasons.ts";
import type { StoredDead, StoredTotals } from "../../shared/snapshot.ts";
import { countText } from "../../shared/quantities.ts";

/** A larger share of late records is explained. */
const LATE_SHARE_TOLD = 0.01;

export interface RunSummary {
  /** Topic or path. */
  readonly log: string;
  readonly source: "kafka" | "file" | "demo";
  readonly stored: StoredTotals;
  /** The position of a reason's first dead letter, in words. */
  readonly place: (first: StoredDead["first"]) => string;
  /** WATERMARK_DELAY in words. */
  readonly watermarkDelay: string;
  readonly latePolicy: "store" | "drop";
  /** DEAD_SHARE_MAX in percent. */
  readonly deadShareMax: number;
}

/** The lines of the summary. `tooManyDead`: the share of dead letters is above DEAD_SHARE_MAX. */
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
        ? `All ${what} are dead letters; the exit code is 6. FILE_FORMAT sets how lines are read; \`tidemark dead-letters list\` shows their positions.`
        : `More than ${deadShareMax} % of the ${what} (DEAD_SHARE_MAX) are dead letters; the exit code is 6. \`tidemark dead-letters list\` shows their positions.`,
    );
  }
  return { lines, tooManyDead };
}

function lateHint({ source, watermarkDelay, latePolicy }: RunSummary, share: number): string[] {
  const percent = share * 100 < 10 ? (share * 100).toFixed(1) : String(Math.round(share * 100));
  const files =
    "files that were not read in the order of their writing, several servers in one file, a server that writes long " +
    "requests at their end or many lines at once";
  const causes = source === "file"
    ? files
    : "old events that are sent beside current ones, partitions with several producers";
  return [
    `  ${percent} % are late: they came more than WATERMARK_DELAY (${watermarkDelay}) behind newer ones. Possible causes: ${causes}. ` +
    `A new stream with a longer WATERMARK_DELAY counts them.${
      latePolicy === "store" ? " Reports include them with late=include." : ""
    }`,
  ];
}
