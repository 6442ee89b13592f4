// Text that a terminal shows and never acts on: what strangers sent may hold escape sequences, line ends and bidirectional controls. No I/O.

/** C0, DEL and C1 controls, line and paragraph separators, and the controls of bidirectional text (UAX #9). */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** The colours that this program uses itself (SGR), tabs and line ends pass; everything else of {@link UNPRINTABLE} does not. */
const UNPRINTABLE_IN_LINES =
  // deno-lint-ignore no-control-regex -- these are what is looked for
  /\x1b\[(?:0|2|31|32|33)m|[\n\t]|[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** What `JSON.stringify` leaves as it is. Outside strings JSON holds none of these. */
const UNPRINTABLE_IN_JSON = /[\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** One field: everything that a terminal would act on becomes �, line ends and tabs too. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "\ufffd");
}

/** Whole output lines: like {@link printable}, but keeps line ends, tabs and our own colours. A second guard; fields use `printable`. */
export function printableLines(text: string): string {
  return text.replace(
    UNPRINTABLE_IN_LINES,
    (found) => found.length > 1 || found === "\n" || found === "\t" ? found : "\ufffd",
  );
}

/** JSON text with the same value in which a terminal finds nothing to act on. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE_IN_JSON, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
