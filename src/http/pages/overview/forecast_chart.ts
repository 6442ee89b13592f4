// History and forecast of one daily series as SVG: columns, then columns with their interval. Pure: rows in, text out.
// @ts-types="npm:@types/d3-scale@4.0.9"
import { scaleBand, scaleLinear } from "d3-scale";
import type { ForecastSeries } from "../../../report/forecast/forecast_report.ts";
import { coordinate, escapeXml, svgFrame } from "../../../report/chart/svg.ts";
import type { Reader } from "../reader.ts";

const WIDTH = 1360;
const HEIGHT = 220;
const LEFT = 64;
const TOP = 14;
const BOTTOM = 30;
/** One of so many columns has its date below it. */
const LABEL_EVERY = 3;

/** A chart of the days in order; a day without a number is left open. */
export function forecastChart(
  { history, days }: Pick<ForecastSeries, "history" | "days">,
  { title, reader, id }: { readonly title: string; readonly reader: Reader; readonly id: string },
): string {
  const all = [...history.map(({ day }) => day), ...days.map(({ day }) => day)];
  const x = scaleBand(all, [LEFT, WIDTH - 30]).paddingInner(0.28);
  const largest = Math.max(1, ...history.map(({ count }) => count ?? 0), ...days.map(({ high }) => high));
  const y = scaleLinear([0, largest], [HEIGHT - BOTTOM, TOP]).nice(3);
  const width = coordinate(x.bandwidth());
  const left = (day: string) => x(day) ?? 0;
  const column = (day: string, count: number, className: string, words: string) =>
    `<rect class="${className}" x="${coordinate(left(day))}" y="${coordinate(y(count))}" width="${width}" height="${
      coordinate(y(0) - y(count))
    }" rx="1.5"><title>${escapeXml(words)}</title></rect>`;
  const grid = y.ticks(3).map((tick) =>
    `<path class="l" d="M${LEFT},${coordinate(y(tick))}H${WIDTH - 12}"/><text class="s e" x="${LEFT - 8}" y="${
      coordinate(y(tick) + 4)
    }">${escapeXml(reader.compact(tick))}</text>`
  );
  const past = history.map(({ day, count }) =>
    count === null
      ? `<rect class="gapday" x="${coordinate(left(day))}" y="${TOP}" width="${width}" height="${
        HEIGHT - BOTTOM - TOP
      }"><title>${escapeXml(`${reader.day(day)}: unknown`)}</title></rect>`
      : column(day, count, "b", `${reader.day(day)}: ${reader.count(count)}`)
  );
  const ahead = days.map(({ day, count, low, high }) => {
    const middle = coordinate(left(day) + x.bandwidth() / 2);
    const words = `${reader.day(day)}: ${reader.count(count)}, ${reader.count(low)} to ${reader.count(high)}`;
    return column(day, count, "ahead", words) +
      `<path class="whisker" d="M${middle},${coordinate(y(low))}V${coordinate(y(high))}M${
        coordinate(left(day) + x.bandwidth() * 0.25)
      },${coordinate(y(high))}h${coordinate(x.bandwidth() / 2)}M${coordinate(left(day) + x.bandwidth() * 0.25)},${
        coordinate(y(low))
      }h${coordinate(x.bandwidth() / 2)}"/>`;
  });
  const labels = all.filter((_, i) => (all.length - 1 - i) % LABEL_EVERY === 0).map((day) =>
    `<text class="s m" x="${coordinate(left(day) + x.bandwidth() / 2)}" y="${HEIGHT - 9}">${
      escapeXml(reader.day(day))
    }</text>`
  );
  const first = days[0];
  const description = `${history.length} days of history` +
    (first === undefined
      ? "."
      : `; ${reader.day(first.day)} is forecast with ${reader.count(first.count)}, ${reader.count(first.low)} to ${
        reader.count(first.high)
      }.`);
  return svgFrame({
    width: WIDTH,
    height: HEIGHT,
    title,
    description,
    id,
    body: grid.join("") + past.join("") + ahead.join("") + labels.join(""),
  });
}
