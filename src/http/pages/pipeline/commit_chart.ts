// Commits over half an hour as SVG: records as columns, the slowest commit of each ten seconds as dots. Pure: rows in, text out.
// @ts-types="npm:@types/d3-scale@4.0.9"
import { scaleLinear, scaleSqrt } from "d3-scale";
import { coordinate, escapeXml, svgFrame } from "../../../report/chart/svg.ts";
import { COMMIT_BUCKET_MS, COMMIT_SPAN_MS, type CommitBucket } from "./pipeline_data.ts";
import type { Reader } from "../reader.ts";

const WIDTH = 660;
const HEIGHT = 230;
const LEFT = 52;
const RIGHT = 12;
/** Upper half: milliseconds; lower half: records. */
const UPPER = { top: 22, bottom: 104 };
const LOWER = { top: 128, bottom: 202 };

/** A chart up to `now`, epoch ms. */
export function commitChart(
  commits: readonly CommitBucket[],
  { now, reader, id }: { readonly now: number; readonly reader: Reader; readonly id: string },
): string {
  const end = Math.ceil(now / COMMIT_BUCKET_MS) * COMMIT_BUCKET_MS;
  const x = scaleLinear([end - COMMIT_SPAN_MS, end], [LEFT, WIDTH - RIGHT]);
  // Roots, so that live traffic can be seen beside the catching up before it.
  const duration = scaleSqrt([0, Math.max(10, ...commits.map(({ max_ms }) => max_ms))], [UPPER.bottom, UPPER.top])
    .nice(3);
  const records = scaleSqrt([0, Math.max(1, ...commits.map((bucket) => bucket.records))], [LOWER.bottom, LOWER.top]);
  const shown = commits.filter(({ at }) => at >= end - COMMIT_SPAN_MS);
  const width = Math.max(1, x(COMMIT_BUCKET_MS) - x(0) - 0.6);
  const marks = shown.map((bucket) => {
    const words = `${reader.seconds(bucket.at)}: ${reader.count(bucket.commits)} commits, ${
      reader.count(bucket.records)
    } records, ${reader.decimal(bucket.mean_ms)} ms on average, ${reader.decimal(bucket.max_ms)} ms at most`;
    return `<g><title>${escapeXml(words)}</title><rect class="b" x="${coordinate(x(bucket.at))}" y="${
      coordinate(records(bucket.records))
    }" width="${coordinate(width)}" height="${
      coordinate(Math.max(0.5, LOWER.bottom - records(bucket.records)))
    }"/><path class="whisker2" d="M${coordinate(x(bucket.at) + width / 2)},${coordinate(duration(bucket.mean_ms))}V${
      coordinate(duration(bucket.max_ms))
    }"/><circle class="b2" cx="${coordinate(x(bucket.at) + width / 2)}" cy="${
      coordinate(duration(bucket.max_ms))
    }" r="1.6"/></g>`;
  });
  const grid = [
    ...[0, 1 / 4, 1].map((share) => share * duration.domain()[1]!).map((tick) =>
      line(duration(tick), reader.decimal(tick))
    ),
    line(LOWER.bottom, "0"),
    line(LOWER.top, reader.compact(records.domain()[1]!)),
  ];
  const times = [30, 20, 10, 0].map((minutes) => {
    const time = end - minutes * 60_000;
    return `<text class="s ${minutes === 0 ? "e" : minutes === 30 ? "" : "m"}" x="${coordinate(x(time))}" y="${
      HEIGHT - 8
    }">${escapeXml(reader.time(time))}</text>`;
  });
  const slowest = Math.max(0, ...shown.map(({ max_ms }) => max_ms));
  const total = shown.reduce((sum, { commits: n }) => sum + n, 0);
  return svgFrame({
    width: WIDTH,
    height: HEIGHT,
    title: "Commits of the last 30 minutes",
    description: `${reader.count(total)} commits; the slowest took ${reader.decimal(slowest)} ms in the database.`,
    id,
    body:
      `<text class="s" x="${LEFT}" y="12">milliseconds a commit, mean to slowest, root scale</text><text class="s" x="${LEFT}" y="${
        LOWER.top - 8
      }">records a ten seconds, root scale</text>${grid.join("")}${marks.join("")}${times.join("")}`,
  });
}

function line(y: number, text: string): string {
  return `<path class="l" d="M${LEFT},${coordinate(y)}H${WIDTH - RIGHT}"/><text class="s e" x="${LEFT - 7}" y="${
    coordinate(y + 4)
  }">${escapeXml(text)}</text>`;
}
