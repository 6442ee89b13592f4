// Which part of a referrer is counted. No I/O.

/** `raw` = as sent; `origin` = scheme, host and port; `domain` = host name without a leading `www.`. */
export type ReferrerGranularity = "raw" | "origin" | "domain";

/**
 * Replaces a referrer without a host under `origin` and `domain`. "" would mean a direct visit, and the text as sent would bring the paths
 * into the table that these two settings keep out.
 */
export const REFERRER_WITHOUT_HOST = "(invalid)";

/** The referrer as it is counted; "" = direct visit (missing, empty or `-`). */
export function referrerOf(referrer: string | undefined, granularity: ReferrerGranularity): string {
  if (referrer === undefined || referrer === "" || referrer === "-") return "";
  if (granularity === "raw") return referrer;
  const url = URL.parse(referrer);
  if (!url || url.host === "") return REFERRER_WITHOUT_HOST;
  // url.origin would be "null" for android-app: and other schemes that browsers send.
  return granularity === "origin" ? `${url.protocol}//${url.host}` : url.hostname.replace(/^www\./, "");
}
