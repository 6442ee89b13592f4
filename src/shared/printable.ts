// Removes from texts what a terminal would act on: escape sequences, line ends, bidirectional controls. No I/O.

/** C0, DEL and C1 controls, line and paragraph separators, and the controls of bidirectional text (UAX #9). */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** {@link UNPRINTABLE}, and the exceptions that pass: this program's colours (SGR), tabs and line ends. */
const UNPRINTABLE_IN_LINES =
  // deno-lint-ignore no-control-regex -- on purpose
  /\x1b\[(?:0|2|31|32|33)m|[\n\t]|[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** Characters that `JSON.stringify` does not escape. They occur in strings only. */
const UNPRINTABLE_IN_JSON = /[\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** For one field: replaces control characters by �, also line ends and tabs. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "\ufffd");
}

/** For whole lines: as {@link printable}, but keeps line ends, tabs and our own colours. It is a second guard; fields use `printable`. */
export function printableLines(text: string): string {
  return text.replace(
    UNPRINTABLE_IN_LINES,
    (found) => found.length > 1 || found === "\n" || found === "\t" ? found : "\ufffd",
  );
}

/** For JSON: escapes these characters, so that the value stays the same. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE_IN_JSON, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A value as indented JSON that can be printed. */
export const jsonText = (value: unknown): string => printableJson(JSON.stringify(value, null, 2));
