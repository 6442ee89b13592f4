// Commits over minutes or hours as SVG: how long they took, how much they moved, how far they lay behind. Pure: rows in, text out.
// @ts-types="npm:@types/d3-scale@4.0.9"
import { scaleLinear, scaleSqrt } from "d3-scale";
import { coordinate, escapeXml, svgFrame } from "../../../report/chart/svg.ts";
import { durationText } from "../../../shared/quantities.ts";
import { COMMIT_SPANS, type CommitBucket, type CommitSpan } from "./pipeline_data.ts";
import type { Reader } from "../reader.ts";

const WIDTH = 660;
const HEIGHT = 310;
/** Room for `29.9 days`. */
const LEFT = 68;
const RIGHT = 12;
/** From above: milliseconds, records, how far behind. */
const UPPER = { top: 22, bottom: 98 };
const LOWER = { top: 122, bottom: 190 };
const LAG = { top: 218, bottom: 282 };

/** A chart up to `now`, epoch ms. */
export function commitChart(
  commits: readonly CommitBucket[],
  { now, reader, id, span = "30m" }: {
    readonly now: number;
    readonly reader: Reader;
    readonly id: string;
    readonly span?: CommitSpan;
  },
): string {
  const { spanMs, bucketMs, words: long, each } = COMMIT_SPANS[span];
  const end = Math.ceil(now / bucketMs) * bucketMs;
  const x = scaleLinear([end - spanMs, end], [LEFT, WIDTH - RIGHT]);
  // Square roots, so that live traffic is visible beside the backlog before it.
  const duration = scaleSqrt([0, Math.max(10, ...commits.map(({ max_ms }) => max_ms))], [UPPER.bottom, UPPER.top])
    .nice(3);
  const records = scaleSqrt([0, Math.max(1, ...commits.map((bucket) => bucket.records))], [LOWER.bottom, LOWER.top]);
  const lag = scaleSqrt([0, Math.max(1_000, ...commits.map(({ lag_ms }) => lag_ms ?? 0))], [LAG.bottom, LAG.top]);
  const shown = commits.filter(({ at }) => at >= end - spanMs);
  const width = Math.max(1, x(bucketMs) - x(0) - 0.6);
  const marks = shown.map((bucket) => {
    const words = `${reader.seconds(bucket.at)}: ${reader.count(bucket.commits)} commits, ${
      reader.count(bucket.records)
    } records, ${reader.decimal(bucket.mean_ms)} ms on average, ${reader.decimal(bucket.max_ms)} ms at most${
      bucket.lag_ms === null ? "" : `, ${durationText(Math.max(0, bucket.lag_ms))} behind`
    }`;
    const behind = Math.max(0, bucket.lag_ms ?? 0);
    return `<g><title>${escapeXml(words)}</title><rect class="b" x="${coordinate(x(bucket.at))}" y="${
      coordinate(records(bucket.records))
    }" width="${coordinate(width)}" height="${
      coordinate(Math.max(0.5, LOWER.bottom - records(bucket.records)))
    }"/><path class="whisker2" d="M${coordinate(x(bucket.at) + width / 2)},${coordinate(duration(bucket.mean_ms))}V${
      coordinate(duration(bucket.max_ms))
    }"/><circle class="b2" cx="${coordinate(x(bucket.at) + width / 2)}" cy="${
      coordinate(duration(bucket.max_ms))
    }" r="1.6"/>${
      bucket.lag_ms === null
        ? ""
        : `<rect class="b2" x="${coordinate(x(bucket.at))}" y="${coordinate(lag(behind))}" width="${
          coordinate(width)
        }" height="${coordinate(Math.max(0.5, LAG.bottom - lag(behind)))}"/>`
    }</g>`;
  });
  const grid = [
    ...[0, 1 / 4, 1].map((share) => share * duration.domain()[1]!).map((tick) =>
      line(duration(tick), reader.decimal(tick))
    ),
    line(LOWER.bottom, "0"),
    line(LOWER.top, reader.compact(records.domain()[1]!)),
    line(LAG.bottom, "0"),
    line(LAG.top, durationText(lag.domain()[1]!)),
  ];
  const times = [1, 2 / 3, 1 / 3, 0].map((part) => {
    const time = end - part * spanMs;
    return `<text class="s ${part === 0 ? "e" : part === 1 ? "" : "m"}" x="${coordinate(x(time))}" y="${HEIGHT - 8}">${
      escapeXml(reader.time(time))
    }</text>`;
  });
  const slowest = Math.max(0, ...shown.map(({ max_ms }) => max_ms));
  const total = shown.reduce((sum, { commits: n }) => sum + n, 0);
  return svgFrame({
    width: WIDTH,
    height: HEIGHT,
    title: `Commits of the last ${long}`,
    description: `${reader.count(total)} commits; the slowest took ${reader.decimal(slowest)} ms in the database.`,
    id,
    body:
      `<text class="s" x="${LEFT}" y="12">milliseconds a commit, mean to slowest</text><text class="s" x="${LEFT}" y="${
        LOWER.top - 8
      }">records in ${each}</text><text class="s" x="${LEFT}" y="${
        LAG.top - 8
      }">how far the watermark was behind</text>${grid.join("")}${marks.join("")}${times.join("")}`,
  });
}

function line(y: number, text: string): string {
  return `<path class="l" d="M${LEFT},${coordinate(y)}H${WIDTH - RIGHT}"/><text class="s e" x="${LEFT - 7}" y="${
    coordinate(y + 4)
  }">${escapeXml(text)}</text>`;
}
