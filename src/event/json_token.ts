// The text of a JSON string token. Called for new tokens only. No I/O.

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of the token `bytes[start, end)` (without its quotes); `undefined` if it is not a valid JSON string in UTF-8. */
export function tokenText(bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    const raw = utf8.decode(bytes.subarray(start, end));
    // Tokens without an escape need JSON.parse too: it refuses raw control characters.
    const text: unknown = JSON.parse(`"${raw}"`);
    return typeof text === "string" ? text : undefined;
  } catch {
    return undefined; // not UTF-8, or not a JSON string: the slow path names the reason
  }
}
