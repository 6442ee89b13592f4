// How long an answer about closed data may be kept: ETag from closed-through and revisions, decided in one place. Reads the version from the database.
import type { Clock } from "../../shared/clock.ts";
import type { ReadDatabase } from "../../shared/sql.ts";
import type { AccessSettings, AppContext } from "./deps.ts";
import { cached } from "./probe.ts";
import { readStreamStats } from "../api/stream/stream_stats.ts";

/** What an answer was computed from. */
export interface DataVersion {
  /** Epoch ms; null before the first close. */
  readonly closedThrough: number | null;
  /** Epoch ms; null before the first record. It can rise without a closing: records confirm what silence has closed. */
  readonly finalThrough: number | null;
  readonly dataRevision: number;
  /** Late records so far: they change what `late=include` answers without a closing. */
  readonly late: number;
  /** Counted records so far: they change what a range with open windows answers. */
  readonly counted: number;
  /** Failing steps that answers name. */
  readonly failing: readonly string[];
}

/** What an answer covers. */
export interface CacheScope {
  /** End of the range, epoch ms; null where only complete days count. */
  readonly end: number | null;
  /** Whether the URL alone says which range it is: without dates it means another one tomorrow. */
  readonly pinned: boolean;
  /** Tells answers of one URL apart: format, and the range that was meant. */
  readonly variant: string;
}

const YEAR_S = 31_536_000;

/** `rev=` of URLs whose answer never changes: pages put it into links to their own charts. */
export function revisionOf(version: DataVersion, end: number | null): string {
  const { closedThrough, finalThrough, dataRevision, late, counted, failing } = version;
  const open = end !== null && end > (closedThrough ?? -Infinity);
  return [dataRevision, closedThrough ?? 0, finalThrough ?? 0, late, ...(open ? [counted] : []), ...failing].join(".");
}

/** Headers of an answer. `immutable` only where the URL carries the revision that was answered; `private` where a token guards it. */
export function cacheHeaders(c: AppContext, access: AccessSettings, version: DataVersion, coverage: CacheScope) {
  const { readTokenHash, adminTokenHash, publicAccess } = access;
  const guarded = !publicAccess && (readTokenHash !== undefined || adminTokenHash !== undefined);
  const revision = revisionOf(version, coverage.end);
  const fixed = coverage.pinned && c.req.query("rev") === revision;
  const life = fixed ? `max-age=${YEAR_S}, immutable` : "max-age=60";
  return {
    "cache-control": `${guarded ? "private" : "public"}, ${life}`,
    // Weak: the same numbers, whatever compression a proxy puts around them. The URL is not part of it: caches key by it already.
    "etag": `W/"${revision}.${coverage.variant}"`,
    "vary": `Accept, Accept-Encoding${guarded ? ", Authorization, Cookie" : ""}`,
  };
}

/** Whether the caller already holds the answer with this ETag (RFC 9110 §13.1.2, weak comparison). */
export function isUnchanged(c: AppContext, etag: string): boolean {
  const given = c.req.header("if-none-match");
  if (given === undefined) return false;
  const plain = (tag: string) => tag.trim().replace(/^W\//, "");
  return given.trim() === "*" || given.split(",").some((tag) => plain(tag) === plain(etag));
}

/** How long one look at the version serves all readers. */
const VERSION_TTL_MS = 1_000;

/** Reads the version at most once a second. It is read before the answer: an answer may be newer than its ETag, never older. */
export function dataVersionReader(
  database: ReadDatabase,
  clock: Clock,
  deadlineMs: number,
): () => Promise<DataVersion> {
  return cached(clock, VERSION_TTL_MS, async () => {
    const stats = await readStreamStats(database, deadlineMs);
    return {
      closedThrough: stats?.closed_through ?? null,
      finalThrough: stats?.final_through ?? null,
      dataRevision: stats?.data_revision ?? 0,
      late: stats?.late ?? 0,
      counted: stats?.counted ?? 0,
      failing: stats?.failing ?? [],
    };
  });
}
