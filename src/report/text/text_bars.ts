// A bar chart for a terminal. Pure: rows in, lines out.
import { countText } from "../../shared/quantities.ts";
import { printable } from "../../shared/printable.ts";
import { cutText, padText, textWidth } from "./text_width.ts";

/** One bar; null if the number is unknown. */
export interface TextBar {
  readonly label: string;
  readonly count: number | null;
  /** Per cent of the whole. */
  readonly percentage: number | null;
  /** The sum of everything without a row of its own. It has no bar, which would be much longer than the others. */
  readonly isRest?: boolean;
  /** Why the number is unknown; shown in place of its bar. */
  readonly note?: string;
}

const LABEL_CELLS_MAX = 40, LABEL_CELLS_MIN = 10;
/** Default length of the longest bar in cells. */
const BAR_CELLS = 23;
/** Shorter bars do not show differences; longer ones are hard to follow. */
const BAR_CELLS_MIN = 4, BAR_CELLS_MAX = 60;

/** Width of a chart: cells of its longest bar, or columns of the whole chart. */
interface TextSize {
  readonly cells?: number;
  readonly columns?: number | undefined;
}

/** A chart whose bars start at zero; a bar with any hit has at least one cell. */
export function textBars(rows: readonly TextBar[], { cells: given, columns }: TextSize = {}): string {
  const counts = rows.map((row) => row.count === null ? "?" : countText(row.count));
  const percentages = rows.map((row) => row.percentage === null ? "" : percentText(row.percentage));
  const countWidth = Math.max(0, ...counts.map((text) => text.length));
  // Besides label and bar: count, percentage, and the gaps between the four.
  const fixed = countWidth + Math.max(0, ...percentages.map((text) => text.length)) + 6;
  const labelMax = columns === undefined
    ? LABEL_CELLS_MAX
    : clamp(columns - fixed - BAR_CELLS, LABEL_CELLS_MIN, LABEL_CELLS_MAX);
  const labels = rows.map((row) => cutText(printable(row.label), labelMax));
  const labelWidth = Math.max(0, ...labels.map(textWidth));
  const cells = given ??
    (columns === undefined ? BAR_CELLS : clamp(columns - fixed - labelWidth, BAR_CELLS_MIN, BAR_CELLS_MAX));
  // Aligns the decimal points.
  const wholeWidth = Math.max(0, ...percentages.map((text) => wholePart(text).length));
  const largest = largestBar(rows);
  return rows.map((row, i) => {
    const bar = row.count === null
      ? row.note ?? ""
      : row.isRest || largest === 0
      ? ""
      : "█".repeat(Math.ceil(cells * row.count / largest));
    const percentage = " ".repeat(wholeWidth - wholePart(percentages[i]!).length) + percentages[i];
    return `${padText(labels[i]!, labelWidth)}  ${counts[i]!.padStart(countWidth)} | ${
      padText(bar, cells)
    } ${percentage}`.trimEnd();
  }).join("\n");
}

const clamp = (value: number, least: number, most: number) => Math.max(least, Math.min(most, value));

/** The count that fills the scale; 0 without counts. */
export function largestBar(rows: readonly TextBar[]): number {
  return Math.max(0, ...rows.map((row) => row.isRest ? 0 : row.count ?? 0));
}

/** Up to two decimals: `15%`, `5.5%`; a smaller share is `<0.01%`. */
export function percentText(percentage: number): string {
  if (percentage > 0 && percentage < 0.005) return "<0.01%";
  return `${Number(percentage.toFixed(2))}%`;
}

function wholePart(percentage: string): string {
  return percentage.split(/[.%]/)[0]!;
}
