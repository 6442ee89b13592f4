// What any text becomes before it is a key: characters that cannot be stored, and the cap. No I/O (the digest is pure computation).
import { createHash } from "node:crypto";

/** Smallest cap that leaves room for text before the suffix. */
export const KEY_BYTES_MAX_LOWEST = 32;

/** Hex digits of the hash of a cut text under each version of the rules. Equal hashes make different texts one key: 128 bits are safe. */
export const HASH_DIGITS = { 1: 16, 2: 32 } as const;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text without blanks and tabs around it, in linear time. */
export function trimBlanks(text: string): string {
  let start = 0, end = text.length;
  while (start < end && (text[start] === " " || text[start] === "\t")) start++;
  while (end > start && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
  return text.slice(start, end);
}

/**
 * The text as it is stored, of at most `bytesMax` UTF-8 bytes.
 *
 * U+0000 (PostgreSQL cannot store it), U+001F (separates texts in a commit) and lone surrogates (no UTF-8) become U+FFFD. What is then
 * longer than `bytesMax` is cut at a character and ends in `#` and `hashDigits` hex digits of its SHA-256, so that long texts with a common start
 * stay distinct keys on every instance and in every version.
 */
export function cleanText(text: string, bytesMax: number, hashDigits: number = HASH_DIGITS[1]): string {
  const clean = text.toWellFormed().replaceAll("\0", "\ufffd").replaceAll("\x1f", "\ufffd");
  // A UTF-16 unit takes at most 3 bytes: most texts need no count.
  if (clean.length * 3 <= bytesMax) return clean;
  const bytes = encoder.encode(clean);
  if (bytes.length <= bytesMax) return clean;
  let cut = bytesMax - hashDigits - 1;
  while ((bytes[cut]! & 0xc0) === 0x80) cut--;
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, hashDigits);
  return `${decoder.decode(bytes.subarray(0, cut))}#${hash}`;
}
