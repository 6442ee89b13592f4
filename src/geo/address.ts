// Parses an address field from bytes to numbers, without allocating. Pure.
// The grammar is strict, because the database library finds a city even for garbage.

/** Result of a parse. */
export const ADDRESS_INVALID = 0;
/** Only spaces: the field was missing. */
export const ADDRESS_EMPTY = 1;
export const ADDRESS_V4 = 4;
export const ADDRESS_V6 = 6;
type AddressKind = typeof ADDRESS_INVALID | typeof ADDRESS_EMPTY | typeof ADDRESS_V4 | typeof ADDRESS_V6;

const SPACE = 0x20, TAB = 0x09, DOT = 0x2e, COLON = 0x3a, PERCENT = 0x25, OPEN = 0x5b, CLOSE = 0x5d;
const ZERO = 0x30, NINE = 0x39;

/** Most characters of a zone id: more than the common systems allow for an interface name. */
const ZONE_MAX = 64;

/**
 * Reads one address. Accepted, with spaces or tabs around it:
 * `a.b.c.d` and `a.b.c.d:port` (four decimal parts without leading zeros), every RFC 4291 §2.2 form of IPv6 with an optional zone (RFC 4007 §11,
 * letters, digits and `._~-`), and `[IPv6]` with an optional port (RFC 3986 §3.2.2). `::ffff:a.b.c.d` in any spelling is the IPv4 address.
 */
export class AddressParser {
  /** The result: IPv4 in `words[0]`; IPv6 in all four, most significant first. Valid until the next `parse`. */
  readonly words = new Uint32Array(4);
  readonly #groups = new Uint16Array(8);

  /** Reads `bytes[start, end)`. */
  parse(bytes: Uint8Array, start: number, end: number): AddressKind {
    while (start < end && isBlank(bytes[start]!)) start++;
    while (end > start && isBlank(bytes[end - 1]!)) end--;
    if (start === end) return ADDRESS_EMPTY;
    const after = this.#v4(bytes, start, end);
    if (after >= 0) return after === end || isPort(bytes, after, end) ? ADDRESS_V4 : ADDRESS_INVALID;
    return this.#v6WithBrackets(bytes, start, end);
  }

  /** Reads dotted decimal at `start` into `words[0]`; returns the position after it, or -1. */
  #v4(bytes: Uint8Array, start: number, end: number): number {
    let at = start, word = 0;
    for (let part = 0; part < 4; part++) {
      if (part > 0) {
        if (at >= end || bytes[at] !== DOT) return -1;
        at++;
      }
      const first = at;
      let value = 0;
      while (at < end) {
        const digit = bytes[at]! - ZERO;
        if (digit < 0 || digit > 9) break;
        value = value * 10 + digit;
        if (++at - first > 3) return -1;
      }
      if (at === first || value > 255 || (at - first > 1 && bytes[first] === ZERO)) return -1;
      word = (word << 8) | value;
    }
    this.words[0] = word;
    return at;
  }

  #v6WithBrackets(bytes: Uint8Array, start: number, end: number): AddressKind {
    if (bytes[start] !== OPEN) return this.#v6(bytes, start, end);
    let close = end - 1;
    while (close > start && bytes[close] !== CLOSE) close--;
    if (close === start || (close + 1 < end && !isPort(bytes, close + 1, end))) return ADDRESS_INVALID;
    return this.#v6(bytes, start + 1, close);
  }

  #v6(bytes: Uint8Array, start: number, end: number): AddressKind {
    const groups = this.#groups;
    let count = 0, gap = -1, at = start;
    if (end - start >= 2 && bytes[at] === COLON) {
      if (bytes[at + 1] !== COLON) return ADDRESS_INVALID;
      gap = 0;
      at += 2;
    }
    while (at < end && bytes[at] !== PERCENT) {
      if (count === 8) return ADDRESS_INVALID;
      const first = at;
      let value = 0;
      while (at < end) {
        const digit = hexDigit(bytes[at]!);
        if (digit < 0) break;
        value = (value << 4) | digit;
        if (++at - first > 4) return ADDRESS_INVALID;
      }
      if (at === first) return ADDRESS_INVALID;
      if (at < end && bytes[at] === DOT) {
        at = this.#v4(bytes, first, end);
        if (at < 0 || (at < end && bytes[at] !== PERCENT)) return ADDRESS_INVALID;
        groups[count++] = this.words[0]! >>> 16;
        groups[count++] = this.words[0]! & 0xffff;
        break;
      }
      groups[count++] = value;
      if (at === end || bytes[at] === PERCENT) break;
      if (bytes[at] !== COLON || ++at === end) return ADDRESS_INVALID;
      if (bytes[at] === COLON) {
        if (gap >= 0) return ADDRESS_INVALID;
        gap = count;
        at++;
      } else if (bytes[at] === PERCENT) return ADDRESS_INVALID;
    }
    if (at < end && !isZone(bytes, at + 1, end)) return ADDRESS_INVALID;
    if (gap < 0 ? count !== 8 : count > 7) return ADDRESS_INVALID;
    if (gap >= 0) {
      groups.copyWithin(8 - (count - gap), gap, count);
      groups.fill(0, gap, 8 - (count - gap));
    }
    const words = this.words;
    for (let i = 0; i < 4; i++) words[i] = (groups[2 * i]! << 16) | groups[2 * i + 1]!;
    if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff) {
      words[0] = words[3]!;
      return ADDRESS_V4;
    }
    return ADDRESS_V6;
  }
}

/** `a.b.c.d` of a 32-bit word. */
export function formatV4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** Eight hexadecimal groups without `::`. */
export function formatV6(words: Uint32Array): string {
  return Array.from(words, (word) => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`).join(":");
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

/** Whether `bytes[at, end)` is `:` and a decimal port of 1 to 5 digits, at most 65535. */
function isPort(bytes: Uint8Array, at: number, end: number): boolean {
  if (bytes[at] !== COLON || end - at < 2 || end - at > 6) return false;
  let port = 0;
  for (let i = at + 1; i < end; i++) {
    const byte = bytes[i]!;
    if (byte < ZERO || byte > NINE) return false;
    port = port * 10 + byte - ZERO;
  }
  return port <= 65535;
}

function isZone(bytes: Uint8Array, at: number, end: number): boolean {
  if (at >= end || end - at > ZONE_MAX) return false;
  for (let i = at; i < end; i++) {
    const byte = bytes[i]!, lower = byte | 0x20;
    const plain = (byte >= ZERO && byte <= NINE) || (lower >= 0x61 && lower <= 0x7a);
    if (!plain && byte !== DOT && byte !== 0x5f && byte !== 0x7e && byte !== 0x2d) return false;
  }
  return true;
}

function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= NINE) return byte - ZERO;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
