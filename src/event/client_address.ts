// Which entry of the `ip` field is the client, as text and over bytes. Whether it is an address is the locator's question. No I/O.
import { trimBlanks } from "./text.ts";

const COMMA = 0x2c;
const isBlank = (byte: number | undefined) => byte === 0x20 || byte === 0x09;

/**
 * The client's entry of a list as X-Forwarded-For writes it (`client, proxy1, proxy2`: each hop appends what it saw), without blanks.
 *
 * With `trustedProxyHops` = h the h rightmost entries were written about proxies of our own, so the entry before them is the client and
 * everything left of it is hearsay. h = 0 is the last entry; where the list is shorter, the first. A single value is always itself.
 * Empty entries do not count (RFC 9110 §5.6.1).
 */
export function clientAddress(ip: string | undefined, trustedProxyHops: number): string {
  const entries = (ip ?? "").split(",").map(trimBlanks).filter((entry) => entry !== "");
  return entries[Math.max(0, entries.length - 1 - trustedProxyHops)] ?? "";
}

/** One past the last byte of the entry that {@link clientAddress} picks from `bytes[start, end)`; `start` where there is none. */
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

/** First byte of the entry that ends at `entryEnd`, as {@link clientAddressEnd} gave it. */
export function clientAddressStart(bytes: Uint8Array, start: number, entryEnd: number): number {
  let p = entryEnd;
  while (p > start && bytes[p - 1] !== COMMA) p--;
  while (p < entryEnd && isBlank(bytes[p])) p++;
  return p;
}
