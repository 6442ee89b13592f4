// Which host an event counts for. No I/O.

const SLASH = 0x2f;
const BACKSLASH = 0x5c;
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

/**
 * One past the authority of the URL `bytes[start, end)`, so that the text up to there has the same {@link hostOf} as the whole; -1 where
 * that is not certain. Blanks are such a case: the URL standard trims them at a text's end, but refuses them within a host.
 */
export function urlAuthorityEnd(bytes: Uint8Array, start: number, end: number): number {
  let p = start + 4; // past "http", which hostOf checks
  if ((bytes[p]! | 0x20) === 0x73) p++;
  if (p + 3 > end || bytes[p] !== 0x3a || bytes[p + 1] !== SLASH || bytes[p + 2] !== SLASH) return -1;
  for (p += 3; p < end; p++) {
    const c = bytes[p]!;
    if (c === SLASH || c === 0x3f || c === 0x23) return p;
    if (c <= 0x20 || c >= 0x7f || c === BACKSLASH) return -1;
  }
  return end;
}
