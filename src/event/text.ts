// Cleans a text before it becomes a key: replaces characters that cannot be stored and shortens long texts. No I/O.
import { createHash } from "node:crypto";

/** Lowest limit that the cutting below works with. */
export const KEY_BYTES_MAX_LOWEST = 32;

/** Hex digits of the hash of a cut text, by version of the rules. Texts with equal hashes would be one key; 128 bits prevent that. */
export const HASH_DIGITS = { 1: 16, 2: 32 } as const;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Removes blanks and tabs at both ends, in linear time. */
export function trimBlanks(text: string): string {
  let start = 0, end = text.length;
  while (start < end && (text[start] === " " || text[start] === "\t")) start++;
  while (end > start && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
  return text.slice(start, end);
}

/**
 * The text as it is stored, of at most `bytesMax` UTF-8 bytes.
 *
 * U+0000 (PostgreSQL cannot store it), U+001F (separates texts in a commit) and lone surrogates (not in UTF-8) become U+FFFD. A text longer
 * than `bytesMax` is then cut at a character; `#` and `hashDigits` hex digits of its SHA-256 keep long texts with a common start distinct, in
 * the same way on every instance.
 */
export function cleanText(text: string, bytesMax: number, hashDigits: number = HASH_DIGITS[1]): string {
  const clean = text.toWellFormed().replaceAll("\0", "\ufffd").replaceAll("\x1f", "\ufffd");
  // A UTF-16 unit takes at most 3 bytes, so most texts need no encoding.
  if (clean.length * 3 <= bytesMax) return clean;
  const bytes = encoder.encode(clean);
  if (bytes.length <= bytesMax) return clean;
  let cut = bytesMax - hashDigits - 1;
  while ((bytes[cut]! & 0xc0) === 0x80) cut--;
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, hashDigits);
  return `${decoder.decode(bytes.subarray(0, cut))}#${hash}`;
}
