// Which host an event counts for. No I/O.

const ABSOLUTE_HTTP_URL = /^https?:\/\//i;

/**
 * The host in lower case, or `undefined` where there is none (dead letter `missing_host`).
 *
 * A `host` that is not empty is taken as sent, port included, as a Host header has it. Otherwise it comes from `url` where that is an
 * absolute http or https URL: the host as the URL standard writes it, so without user name, without a port that is the scheme's own, and
 * in Punycode.
 */
export function hostOf(host: string | undefined, url: string | undefined): string | undefined {
  if (host !== undefined && host !== "") return host.toLowerCase();
  if (url === undefined || !ABSOLUTE_HTTP_URL.test(url)) return undefined;
  return URL.parse(url)?.host || undefined;
}
