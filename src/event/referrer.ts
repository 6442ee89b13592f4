// How much of a referrer is a key. No I/O.

/** `raw` = as sent; `origin` = scheme, host and port; `domain` = host name without a leading `www.`. */
export type ReferrerGranularity = "raw" | "origin" | "domain";
export const REFERRER_GRANULARITIES: readonly ReferrerGranularity[] = ["raw", "origin", "domain"];

/**
 * What replaces a referrer that has no host to name under `origin` and `domain`. Not "", which means a direct visit; not the text as
 * sent, since these two settings exist to keep paths and cardinality out of the table.
 */
export const REFERRER_WITHOUT_HOST = "(invalid)";

/** The referrer as it is counted: "" is a direct visit (missing, empty or `-`). */
export function referrerOf(referrer: string | undefined, granularity: ReferrerGranularity): string {
  if (referrer === undefined || referrer === "" || referrer === "-") return "";
  if (granularity === "raw") return referrer;
  const url = URL.parse(referrer);
  if (!url || url.host === "") return REFERRER_WITHOUT_HOST;
  // Not url.origin: that is "null" for android-app: and other schemes which browsers do send.
  return granularity === "origin" ? `${url.protocol}//${url.host}` : url.hostname.replace(/^www\./, "");
}
