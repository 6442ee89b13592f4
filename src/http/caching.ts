// How long an answer about closed data may be kept: ETag from closed-through and revisions, decided in one place. No I/O.
import type { AppContext, AppDeps } from "./deps.ts";

/** What an answer was computed from. */
export interface DataVersion {
  /** Epoch ms; null before the first close. */
  readonly closedThrough: number | null;
  readonly dataRevision: number;
  /** Late records so far: they change what `late=include` answers without a closing. */
  readonly late: number;
}

const YEAR_S = 31_536_000;

/** `rev=` of URLs whose answer never changes: pages put it into links to their own charts. */
export function revisionOf(version: DataVersion): string {
  return `${version.dataRevision}.${version.closedThrough ?? 0}.${version.late}`;
}

/** Headers of an answer. `immutable` only where the URL carries the revision that was answered; `private` where a token guards it. */
export function cacheHeaders(c: AppContext, settings: AppDeps["settings"], version: DataVersion, variant: string) {
  const { readTokenHash, adminTokenHash, publicAccess } = settings.access;
  const guarded = !publicAccess && (readTokenHash !== undefined || adminTokenHash !== undefined);
  const fixed = c.req.query("rev") === revisionOf(version);
  const life = fixed ? `max-age=${YEAR_S}, immutable` : "max-age=60";
  return {
    "cache-control": `${guarded ? "private" : "public"}, ${life}`,
    // Weak: the same numbers, whatever compression a proxy puts around them. The URL is no part: caches key by it already.
    "etag": `W/"${revisionOf(version)}.${variant}"`,
    "vary": guarded ? "Accept, Authorization" : "Accept",
  };
}

/** Whether the caller already holds the answer with this ETag (RFC 9110 §13.1.2, weak comparison). */
export function isUnchanged(c: AppContext, etag: string): boolean {
  const given = c.req.header("if-none-match");
  if (given === undefined) return false;
  const plain = (tag: string) => tag.trim().replace(/^W\//, "");
  return given.trim() === "*" || given.split(",").some((tag) => plain(tag) === plain(etag));
}
