// How many cells a text fills in a terminal: wide (CJK, emoji) characters fill two, combining ones none. Pure; rules: Unicode UAX #11, #29.
// No library: one place needs it.

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Wide and fullwidth ranges of UAX #11 as far as scripts and symbols in names use them. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

/** Cells that `text` fills. */
export function textWidth(text: string): number {
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += cells(segment);
  return width;
}

/** `text` cut to at most `max` cells, the last of which is then `…`. */
export function cutText(text: string, max: number): string {
  if (textWidth(text) <= max) return text;
  let width = 0;
  let result = "";
  for (const { segment } of graphemes.segment(text)) {
    width += cells(segment);
    if (width > max - 1) break;
    result += segment;
  }
  return result + "…";
}

/** `text` filled up with spaces to `width` cells. */
export function padText(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - textWidth(text)));
}

function cells(grapheme: string): number {
  if (NO_WIDTH.test(grapheme)) return 0;
  // An emoji presentation selector, and a pair of regional indicators, make any symbol wide.
  return WIDE.test(grapheme) || /\ufe0f/u.test(grapheme) || /^\p{RI}{2}/u.test(grapheme) ? 2 : 1;
}
