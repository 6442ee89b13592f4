// Shapes the visitors of UTC days: estimates by sketches, their sum, and how far each can be relied on. Pure.
import { z } from "zod";
import { isoOrNull } from "../shared/units.ts";
import type { CountedTime } from "./breakdown.ts";
import { completenessOf, statusOf } from "./completeness.ts";
import type { VisitorsQuery } from "./report_query.ts";
import { type Bucket, type Completeness, type Coverage, COVERAGES, type Progress } from "./report_types.ts";
import { localDate } from "./time_zone.ts";

/** Standard error of a day's number in per cent: 1.04 / √16,384 registers (Flajolet et al., HyperLogLog, 2007). */
const VISITORS_ERROR_PERCENT = 0.81;

/** One UTC day; wire shape. */
export const visitorDaySchema = z.strictObject({
  day: z.string().describe("UTC day, YYYY-MM-DD."),
  visitors: z.int().min(0).nullable().describe("Estimate; null if it is unknown."),
  status: z.enum(["final", "provisional", "unknown"]).describe("provisional: the day is not closed."),
  coverage: z.enum(COVERAGES),
});
export type VisitorDay = Readonly<z.infer<typeof visitorDaySchema>>;

/** The report; wire shape. */
export interface VisitorsReport {
  readonly query: VisitorsQuery;
  /** The sum of the known days: a visitor of two days counts twice. null if no day is known. */
  readonly visitors: number | null;
  readonly standard_error_percent: number;
  readonly days: readonly VisitorDay[];
  /** Start of the first window that counted them; null if none has. A day has a number if all its windows counted them. */
  readonly counted_since: string | null;
  /** Whether the newest closed window counted them. */
  readonly counting: boolean;
  readonly completeness: Completeness;
  readonly data_revision: number;
}

/** A day as the database answers it: closed and open have an estimate. */
export interface VisitorFacts {
  readonly day: string;
  readonly visitors: number | null;
  /** retired: retention has dropped the hosts that were asked for. */
  readonly state: "closed" | "open" | "not_counted" | "gap" | "retired";
}

/** Makes the report. @param buckets UTC days, in order; @param facts in any order; a day without any was not counted */
export function shapeVisitors(
  query: VisitorsQuery,
  { buckets, facts, time, progress }: {
    readonly buckets: readonly Bucket[];
    readonly facts: readonly VisitorFacts[];
    readonly time: Pick<CountedTime, "since" | "counting">;
    readonly progress: Progress;
  },
): VisitorsReport {
  const byDay = new Map(facts.map((one) => [one.day, one]));
  const days = buckets.map((bucket) => dayOf(bucket, byDay.get(localDate(bucket.start, "UTC")), progress));
  const known = days.flatMap(({ day: { visitors } }) => visitors ?? []);
  return {
    query,
    visitors: known.length === 0 ? null : known.reduce((sum, visitors) => sum + visitors, 0),
    standard_error_percent: VISITORS_ERROR_PERCENT,
    days: days.map(({ day }) => day),
    counted_since: time.since === null ? null : isoOrNull(time.since),
    counting: time.counting,
    completeness: completenessOf(days.map(({ bucket }) => bucket), progress),
    data_revision: progress.dataRevision,
  };
}

/** A day's number, and its bucket with the coverage of visitors in place of that of hits. */
function dayOf(
  bucket: Bucket,
  facts: VisitorFacts | undefined,
  progress: Progress,
): { readonly day: VisitorDay; readonly bucket: Bucket } {
  const day = localDate(bucket.start, "UTC");
  // Without hits by humans there are no visitors, counted or not.
  if (!bucket.unknown && bucket.hits === bucket.botHits) {
    return { day: { day, visitors: 0, status: statusOf([bucket], progress), coverage: bucket.coverage }, bucket };
  }
  const lacks = lackOf(bucket, facts);
  if (lacks !== null || facts?.visitors == null) {
    const coverage = lacks ?? "not_counted";
    return {
      day: { day, visitors: null, status: "unknown", coverage },
      bucket: { ...bucket, coverage, unknown: true },
    };
  }
  const status = facts.state === "open" ? "provisional" : statusOf([bucket], progress);
  return { day: { day, visitors: Math.round(facts.visitors), status, coverage: bucket.coverage }, bucket };
}

/** Why a day has no number; null if it has one. */
function lackOf({ unknown, coverage }: Bucket, facts: VisitorFacts | undefined): Coverage | null {
  if (unknown) return coverage;
  switch (facts?.state) {
    case "gap":
      return "gap";
    case "retired":
      return "not_kept";
    case "closed":
    case "open":
      return null;
    case "not_counted":
    case undefined:
      return "not_counted";
  }
}
