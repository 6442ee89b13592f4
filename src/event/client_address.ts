// Which entry of the `ip` field is the client, as text and over bytes. The locator decides whether it is an address. No I/O.
import { trimBlanks } from "./text.ts";

const COMMA = 0x2c;
const isBlank = (byte: number | undefined) => byte === 0x20 || byte === 0x09;

/**
 * The client's entry of a list in the form of X-Forwarded-For (`client, proxy1, proxy2`: each hop appends the address it saw), without
 * blanks.
 *
 * With `trustedProxyHops` = h, the last h entries are our own proxies. The entry before them is the client; entries left of it are not
 * trusted. h = 0 gives the last entry; if the list is shorter, the first entry counts. Empty entries do not count (RFC 9110 §5.6.1).
 */
export function clientAddress(ip: string | undefined, trustedProxyHops: number): string {
  const entries = (ip ?? "").split(",").map(trimBlanks).filter((entry) => entry !== "");
  return entries[Math.max(0, entries.length - 1 - trustedProxyHops)] ?? "";
}

/** One past the last byte of the entry that {@link clientAddress} picks from `bytes[start, end)`; `start` without entries. */
export function clientAddressEnd(bytes: Uint8Array, start: number, end: number, trustedProxyHops: number): number {
  let chosen = start;
  let hops = trustedProxyHops;
  let p = end;
  while (p > start) {
    while (p > start && (isBlank(bytes[p - 1]) || bytes[p - 1] === COMMA)) p--;
    if (p === start) break;
    chosen = p;
    if (hops-- <= 0) break;
    while (p > start && bytes[p - 1] !== COMMA) p--;
  }
  return chosen;
}

/** First byte of the entry that ends at `entryEnd`, the result of {@link clientAddressEnd}. */
export function clientAddressStart(bytes: Uint8Array, start: number, entryEnd: number): number {
  let p = entryEnd;
  while (p > start && bytes[p - 1] !== COMMA) p--;
  while (p < entryEnd && isBlank(bytes[p])) p++;
  return p;
}
