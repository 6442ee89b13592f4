// Hits over time as SVG: humans and bots stacked, the compared period as a line, time without data shaded, gaps and the provisional part
// hatched. Pure: points in, text out.
// @ts-types="npm:@types/d3-scale@4.0.9"
import { scaleLinear, scaleTime } from "d3-scale";
// @ts-types="npm:@types/d3-shape@3.2.0"
import { area as areaShape } from "d3-shape";
import { coordinate, escapeXml, numberFormat, svgFrame, type SvgOptions } from "./svg.ts";
import { cutText } from "../text/text_width.ts";
import { printable } from "../../shared/printable.ts";
import type { SeriesPoint } from "../timeseries.ts";

/** Default size of a chart. */
const DEFAULT_SIZE = { width: 860, height: 260 };
const LEFT = 64;
const RIGHT = 12;
const TOP = 34;
const BOTTOM = 40;

interface Drawn {
  readonly start: number;
  readonly end: number;
  readonly human: number;
  readonly bot: number;
}

/** A chart of `points`; times are written in the zone `tz`. */
export function svgTimeseries(
  points: readonly SeriesPoint[],
  {
    tz,
    title,
    id = "series",
    locale = "en",
    width = DEFAULT_SIZE.width,
    height = DEFAULT_SIZE.height,
    end = 0,
    previous,
    visitors,
    marks = [],
  }:
    & SvgOptions
    & {
      readonly tz: string;
      readonly title: string;
      readonly width?: number;
      readonly height?: number;
      /** End of the range, epoch ms, if it is later than the last point's: the rest is shaded. */
      readonly end?: number;
      /** The compared period; absent = none is drawn. */
      readonly previous?: (point: SeriesPoint) => number | null;
      /** Visitors of a point that is a UTC day; absent = none are drawn. */
      readonly visitors?: (point: SeriesPoint) => number | null;
      /** Words at a time, epoch ms; those outside of the chart are left out. */
      readonly marks?: readonly { readonly time: number; readonly label: string }[];
    },
): string {
  const number = numberFormat(locale);
  const name = id.replace(/[^A-Za-z0-9_-]/g, "_");
  const head = `<text x="8" y="20" font-weight="600">${escapeXml(title)}</text>`;
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) {
    const body = `${head}<text class="s" x="${LEFT}" y="${TOP + 24}">No data in this range.</text>`;
    return svgFrame({ width, height, title, description: "No data in this range.", id: name, body });
  }
  const lastEnd = Date.parse(last.end);
  const x = scaleTime([Date.parse(first.start), Math.max(lastEnd, end)], [LEFT, width - RIGHT]);
  const before = previous === undefined ? [] : points.map(previous);
  const visited = visitors === undefined ? [] : points.map(visitors);
  const highest = Math.max(
    1,
    ...points.map((point) => point.total ?? 0),
    ...[...before, ...visited].map((n) => n ?? 0),
  );
  const y = scaleLinear([0, highest], [height - BOTTOM, TOP]).nice(4);
  const runs = drawnRuns(points);
  const shape = (low: (point: Drawn) => number, high: (point: Drawn) => number) => (run: readonly Drawn[]) =>
    areaShape<readonly [number, Drawn]>().x(([time]) => x(time)).y0(([, p]) => y(low(p))).y1(([, p]) => y(high(p)))
      // Steps: a bucket's number holds from its start to its end.
      .digits(2)(run.flatMap((point) => [[point.start, point], [point.end, point]] as const)) ?? "";
  const humans = runs.map(shape(() => 0, (p) => p.human)).map((d) => `<path class="b" d="${d}"/>`);
  const bots = runs.map(shape((p) => p.human, (p) => p.human + p.bot)).map((d) => `<path class="b2" d="${d}"/>`);
  const gaps = points.filter((point) => point.gap).map((point) =>
    band(x, point, { fill: `url(#${name}-gap)`, why: "unknown: records are missing", height })
  );
  const silent = points.filter(({ coverage }) => coverage === "before_first").map((point) =>
    band(x, point, { fill: "var(--land)", why: "before the first event", height })
  );
  if (end > lastEnd) {
    const rest = { start: last.end, end: new Date(end).toISOString() };
    silent.push(band(x, rest, { fill: "var(--land)", why: "no data yet: after the newest event", height }));
  }
  const lines = stepLine(points, before, { x, y, look: 'class="prev" stroke-width="1.4" stroke-dasharray="5 3"' }) +
    stepLine(points, visited, { x, y, look: 'class="visitors" stroke-width="2"' });
  const open = points.filter((point) => point.status === "provisional" && !point.gap);
  const provisional = open.length === 0 ? "" : band(
    x,
    { start: open[0]!.start, end: open.at(-1)!.end },
    { fill: `url(#${name}-open)`, why: "provisional: numbers can still grow", height },
  );
  const flags = markLines(marks, x, { width, height });
  const total = points.reduce((sum, point) => sum + (point.total ?? 0), 0);
  const gapCount = points.filter((point) => point.gap).length;
  const time = timeFormat(tz, locale, Date.parse(last.end) - Date.parse(first.start));
  const grid = y.ticks(4).map((tick) =>
    `<path class="l" d="M${LEFT},${coordinate(y(tick))}H${width - RIGHT}"/><text class="s e" x="${LEFT - 6}" y="${
      coordinate(y(tick) + 4)
    }">${escapeXml(number(tick))}</text>`
  );
  const ticks = tickTimes(points.map((point) => Date.parse(point.start)), tz, Math.floor(width / 110)).map((tick) =>
    `<text class="s m" x="${coordinate(Math.min(width - RIGHT - 40, Math.max(LEFT + 24, x(tick))))}" y="${
      height - 18
    }">${escapeXml(time(tick))}</text>`
  );
  const key =
    `<rect class="b" x="${width - 190}" y="10" width="12" height="12"/><text class="s" x="${
      width - 174
    }" y="20">humans</text>` +
    `<rect class="b2" x="${width - 110}" y="10" width="12" height="12"/><text class="s" x="${
      width - 94
    }" y="20">bots</text>`;
  return svgFrame({
    width,
    height,
    title,
    description:
      `${number(total)} hits from ${time(Date.parse(first.start))} to ${time(Date.parse(last.end))} (${tz})` +
      `${gapCount > 0 ? `, ${gapCount} intervals unknown` : ""}${
        open.length > 0 ? `, the last ${open.length} provisional` : ""
      }.`,
    id: name,
    body: `<defs>${hatch(`${name}-open`, "var(--ground)", 2)}${hatch(`${name}-gap`, "var(--bar2)", 1)}</defs>` + head +
      key + silent.join("") + grid.join("") +
      humans.join("") + bots.join("") + lines + provisional + gaps.join("") + flags + ticks.join("") +
      `<text class="s e" x="${width - RIGHT}" y="${height - 3}" font-size="11">${escapeXml(tz)}</text>`,
  });
}

/** One step for each point, such as of the compared period, with a break while it is unknown. */
function stepLine(
  points: readonly SeriesPoint[],
  counts: readonly (number | null)[],
  { x, y, look }: {
    readonly x: (time: number) => number;
    readonly y: (count: number) => number;
    /** Attributes of the line. */
    readonly look: string;
  },
): string {
  let d = "";
  let broken = true;
  for (const [i, count] of counts.entries()) {
    const { start, end } = points[i]!;
    if (count !== null) {
      d += `${broken ? "M" : "L"}${coordinate(x(Date.parse(start)))},${coordinate(y(count))}H${
        coordinate(x(Date.parse(end)))
      }`;
    }
    broken = count === null;
  }
  return d === "" ? "" : `<path ${look} fill="none" stroke="var(--ink)" d="${d}"/>`;
}

/** Width of a letter of a mark, px; and the longest text of one. */
const MARK_LETTER = 6.6;
const MARK_LETTERS_MAX = 28;

/** A line at each mark, with its text if the text before leaves room. */
function markLines(
  marks: readonly { readonly time: number; readonly label: string }[],
  x: (time: number) => number,
  { width, height }: { readonly width: number; readonly height: number },
): string {
  let free = LEFT;
  return marks.map(({ time, label }) => ({ at: x(time), label: printable(label) }))
    .filter(({ at }) => at >= LEFT - 0.5 && at <= width - RIGHT)
    .map(({ at, label }) => {
      const text = cutText(label, MARK_LETTERS_MAX);
      const end = at + 5 + text.length * MARK_LETTER;
      const words = at >= free && end <= width - RIGHT
        ? `<text class="s" x="${coordinate(at + 4)}" y="${TOP + 10}">${escapeXml(text)}</text>`
        : "";
      if (words !== "") free = end;
      return `<g class="mark"><title>${escapeXml(label)}</title><path d="M${coordinate(at)},${TOP}V${
        height - BOTTOM
      }" fill="none" stroke="var(--ink)" stroke-width="1.2"/>${words}</g>`;
    }).join("");
}

/** Runs of known points without a gap between them. */
function drawnRuns(points: readonly SeriesPoint[]): Drawn[][] {
  const runs: Drawn[][] = [];
  let run: Drawn[] | undefined;
  for (const { start, end, human, bot } of points) {
    if (human === null || bot === null) {
      run = undefined;
      continue;
    }
    if (!run) runs.push(run = []);
    run.push({ start: Date.parse(start), end: Date.parse(end), human, bot });
  }
  return runs;
}

function band(
  x: (time: number) => number,
  { start, end }: { start: string; end: string },
  { fill, why, height }: { fill: string; why: string; height: number },
): string {
  const from = x(Date.parse(start));
  return `<rect x="${coordinate(from)}" y="${TOP}" width="${
    coordinate(Math.max(1, x(Date.parse(end)) - from))
  }" height="${height - BOTTOM - TOP}" ` +
    `fill="${fill}"><title>${escapeXml(why)}</title></rect>`;
}

function hatch(id: string, colour: string, width: number): string {
  return `<pattern id="${id}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
    `<path d="M0,0V6" stroke="${colour}" stroke-width="${width}"/></pattern>`;
}

function timeFormat(tz: string, locale: string, span: number): (time: number) => string {
  const day = { month: "short", day: "numeric" } as const;
  const format = new Intl.DateTimeFormat(locale, {
    timeZone: tz,
    hourCycle: "h23",
    ...(span <= 4 * 86_400_000 ? { ...day, hour: "2-digit", minute: "2-digit" } : day),
  });
  return (time) => format.format(time);
}

/** Lengths up to which round hours are written, in ms, with the hours between two of them. */
const HOUR_STEPS = [[1.1, 3], [2.1, 6], [4, 12]].map(([days, hours]) => ({ span: days! * 86_400_000, hours: hours! }));

/** At most `max` of `starts` (epoch ms, ascending), evenly spaced. */
export function tickTimes(starts: readonly number[], tz: string, max: number): number[] {
  const span = (starts.at(-1) ?? 0) - (starts[0] ?? 0);
  const hours = HOUR_STEPS.find((step) => span <= step.span)?.hours ?? 24;
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: tz,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const round = starts.filter((start) => {
    const [hour, minute] = clock.format(start).split(":").map(Number);
    return minute === 0 && hour! % hours === 0;
  });
  // A series may miss all round times, as days do that begin at one o'clock.
  const candidates = round.length > 1 ? round : starts;
  const stride = Math.max(1, Math.ceil(candidates.length / max));
  return candidates.filter((_, i) => i % stride === 0);
}
