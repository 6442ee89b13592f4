// Decides how long caches may keep an answer, and makes its ETag from the version of the data. Reads the version from the database.
import type { Clock } from "../../shared/clock.ts";
import type { ReadDatabase } from "../../shared/sql.ts";
import type { AccessSettings, AppContext } from "./deps.ts";
import { cached } from "./probe.ts";
import { readStreamStats } from "../api/stream/stream_stats.ts";

/** The version of the data. */
export interface DataVersion {
  /** Epoch ms; null before the first close. */
  readonly closedThrough: number | null;
  /** Epoch ms; null before the first record. It can rise without a closing, because records confirm windows that silence has closed. */
  readonly finalThrough: number | null;
  readonly dataRevision: number;
  /** Late records so far: they change answers to `late=include` without a closing. */
  readonly late: number;
  /** Counted records so far: they change answers about open windows. */
  readonly counted: number;
  /** Failing steps, which answers mention. */
  readonly failing: readonly string[];
}

/** The data that an answer covers. */
export interface CacheScope {
  /** End of the range, epoch ms; null if only complete days count. */
  readonly end: number | null;
  /** Whether the URL has the dates of the range. Without them it means another range tomorrow. */
  readonly pinned: boolean;
  /** Format and range: they distinguish answers of one URL. */
  readonly variant: string;
}

const YEAR_S = 31_536_000;

/** `rev=` of URLs whose answer never changes. Pages put it into links to their charts. */
export function revisionOf(version: DataVersion, end: number | null): string {
  const { closedThrough, finalThrough, dataRevision, late, counted, failing } = version;
  const open = end !== null && end > (closedThrough ?? -Infinity);
  return [dataRevision, closedThrough ?? 0, finalThrough ?? 0, late, ...(open ? [counted] : []), ...failing].join(".");
}

/** Headers of an answer: `immutable` only if the URL has the revision of the answer, `private` if a token protects it. */
export function cacheHeaders(c: AppContext, access: AccessSettings, version: DataVersion, coverage: CacheScope) {
  const { readTokenHash, adminTokenHash, publicAccess } = access;
  const guarded = !publicAccess && (readTokenHash !== undefined || adminTokenHash !== undefined);
  const revision = revisionOf(version, coverage.end);
  const fixed = coverage.pinned && c.req.query("rev") === revision;
  const life = fixed ? `max-age=${YEAR_S}, immutable` : "max-age=60";
  return {
    "cache-control": `${guarded ? "private" : "public"}, ${life}`,
    // Weak: the numbers are the same with any compression. The URL is not part of it, because caches already use it as key.
    "etag": `W/"${revision}.${coverage.variant}"`,
    "vary": `Accept, Accept-Encoding${guarded ? ", Authorization, Cookie" : ""}`,
  };
}

/** Whether the caller has the answer with this ETag (RFC 9110 §13.1.2, weak comparison). */
export function isUnchanged(c: AppContext, etag: string): boolean {
  const given = c.req.header("if-none-match");
  if (given === undefined) return false;
  const plain = (tag: string) => tag.trim().replace(/^W\//, "");
  return given.trim() === "*" || given.split(",").some((tag) => plain(tag) === plain(etag));
}

/** Interval between reads of the version. */
const VERSION_TTL_MS = 1_000;

/** Reads the version at most once a second, and before the answer: an answer may be newer than its ETag, never older. */
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
