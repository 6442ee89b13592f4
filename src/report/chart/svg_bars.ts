// Horizontal bars as SVG: cities, hosts, referrers. Pure: rows in, text out.
// @ts-types="npm:@types/d3-scale@4.0.9"
import { scaleLinear } from "d3-scale";
import { coordinate, escapeXml, numberFormat, svgFrame } from "./svg.ts";
import { largestBar, percentText, type TextBar } from "../text/text_bars.ts";
import { printable } from "../../shared/printable.ts";
import { cutText } from "../text/text_width.ts";

const WIDTH = 640;
const ROW = 26;
const LABEL_WIDTH = 190;
const NUMBER_WIDTH = 130;
const HEADER = 34;

/** A chart of `rows` in their order; bars are to scale from zero. */
export function svgBars(rows: readonly TextBar[], title: string): string {
  const number = numberFormat();
  const x = scaleLinear([0, Math.max(1, largestBar(rows))], [
    0,
    WIDTH - LABEL_WIDTH - NUMBER_WIDTH,
  ]);
  const lines = rows.map((row, i) => {
    const y = HEADER + i * ROW;
    const label = printable(row.label);
    const length = row.count === null || row.isRest ? 0 : Math.max(row.count > 0 ? 1 : 0, x(row.count));
    const value = row.count === null
      ? "unknown"
      : `${number(row.count)}${row.percentage === null ? "" : `  ${percentText(row.percentage)}`}`;
    return `<g><title>${escapeXml(`${label}: ${value}`)}</title>` +
      `<text class="e" x="${LABEL_WIDTH - 8}" y="${y + 17}">${escapeXml(cutText(label, 26))}</text>` +
      `<rect class="b" x="${LABEL_WIDTH}" y="${y + 4}" width="${coordinate(length)}" height="${ROW - 8}" rx="2"/>` +
      `<text class="s" x="${coordinate(LABEL_WIDTH + length + 6)}" y="${y + 17}">${escapeXml(value)}</text></g>`;
  });
  const description = rows.length === 0
    ? "No data in this range."
    : rows.slice(0, 10).map((row) => `${printable(row.label)} ${row.count === null ? "unknown" : number(row.count)}`)
      .join(", ") + ".";
  return svgFrame({
    width: WIDTH,
    height: HEADER + Math.max(1, rows.length) * ROW + 6,
    title,
    description,
    body: `<text x="8" y="20" font-weight="600">${escapeXml(printable(title))}</text>` +
      (rows.length === 0 ? `<text class="s" x="8" y="${HEADER + 17}">No data in this range.</text>` : lines.join("")),
  });
}
