// A JSON string token's text from the bytes between its quotes, for texts not seen before. No I/O.

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text that `bytes[start, end)` means between two quotes, or `undefined` where that is not a valid JSON string in UTF-8. */
export function tokenText(bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    const raw = utf8.decode(bytes.subarray(start, end));
    // JSON.parse also refuses raw control characters, so it judges tokens without an escape as well.
    const text: unknown = JSON.parse(`"${raw}"`);
    return typeof text === "string" ? text : undefined;
  } catch {
    return undefined; // not UTF-8, or not a JSON string: the slow path names the reason
  }
}
