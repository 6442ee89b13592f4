// What a run says at its end, and the progress line on the way.
import { assert, assertEquals } from "@std/assert";
import { progressText, timeLeftText } from "../../src/cli/progress_line.ts";
import { type RunSummary, summarize } from "../../src/cli/run/summary.ts";
import { showProgress } from "../../src/cli/run/telling.ts";
import type { StoredTotals } from "../../src/shared/snapshot.ts";
import { partitionId } from "../../src/shared/units.ts";
import { snapshot, TestClock } from "../http/app_fixture.ts";

function summary(stored: Partial<StoredTotals>, changes: Partial<RunSummary> = {}) {
  return summarize({
    log: "/var/log/access.log",
    source: "file",
    stored: { counted: 0, late: 0, dead: 0, nulls: 0, byReason: {}, ...stored },
    place: ({ line }) => `/var/log/access.log, line ${line}`,
    watermarkDelay: "1m",
    latePolicy: "store",
    deadShareMax: 50,
    ...changes,
  });
}

const dead = (records: number) => ({
  dead: records,
  byReason: { bad_line: { records, first: { partition: partitionId(0), offset: 5, line: 3 } } },
});

Deno.test("summarize() says what was counted, late and dead, and where the first dead letter lies", () => {
  const { lines, tooManyDead } = summary({ counted: 12_345, late: 7, ...dead(2) });
  assertEquals(lines, [
    "Read 12,354 lines of /var/log/access.log: 12,345 counted, 7 late, 2 dead.",
    "  2 bad_line: the line is not in the log's format. The first: /var/log/access.log, line 3.",
  ]);
  assertEquals(tooManyDead, false);
  assertEquals(summary({}).lines, ["Nothing new to read in /var/log/access.log."]);
  assert(summary({ counted: 1 }, { source: "kafka" }).lines[0]!.startsWith("Read 1 records of"));
});

Deno.test("summarize() explains late records where they are more than 1 %", () => {
  assertEquals(summary({ counted: 99, late: 1 }).lines.length, 1);
  const { lines: [, hint] } = summary({ counted: 98, late: 2 });
  assert(
    hint!.includes("2.0 % are late") && hint!.includes("WATERMARK_DELAY (1m)") && hint!.includes("several servers"),
  );
  assert(
    hint!.includes("late=include") && !summary({ late: 2 }, { latePolicy: "drop" }).lines[1]!.includes("late=include"),
  );
});

Deno.test("summarize() finds too many dead letters above the share that is allowed, and always where all are", () => {
  const rows: [counted: number, dead: number, max: number, expected: boolean][] = [
    [1, 1, 50, false],
    [99, 100, 50, true],
    [0, 1, 100, true],
    [1, 99, 100, false],
    [1, 0, 0, false],
    [999_999, 1, 0, true],
  ];
  for (const [counted, records, deadShareMax, expected] of rows) {
    const stored = records > 0 ? { counted, ...dead(records) } : { counted };
    assertEquals(summary(stored, { deadShareMax }).tooManyDead, expected, `${counted} ${records} ${deadShareMax}`);
  }
});

Deno.test("progressText() says share, speed and time left, each where it is known", () => {
  const at = { done: 340, total: 1000, records: 1_234_567, elapsedMs: 8_000 };
  assertEquals(progressText(at, "lines"), "34 %, 1,234,567 lines, 154,321/s, about 16 s left");
  assertEquals(progressText({ ...at, total: null }, "lines"), "1,234,567 lines, 154,321/s");
  assertEquals(progressText({ ...at, elapsedMs: 100 }, "lines"), "34 %, 1,234,567 lines");
  assertEquals(progressText({ ...at, done: 1 }, "lines"), "0 %, 1,234,567 lines, 154,321/s");
  assertEquals(progressText({ ...at, done: 1000 }, "lines"), "100 %, 1,234,567 lines, 154,321/s");
  assertEquals([0, 89_000, 91_000, 5_400_000, 12_000_000].map(timeLeftText), [
    "1 s",
    "89 s",
    "2 min",
    "1 h 30 min",
    "3 h 20 min",
  ]);
});

Deno.test("showProgress() shows a line on a terminal until the signal aborts, and computes nothing elsewhere", async () => {
  const shown = async (errIsTerminal: boolean) => {
    const stop = new AbortController(), lines: string[] = [];
    let asked = 0;
    const snapshots = () => {
      if (++asked === 2) stop.abort();
      return [snapshot({ reading: { done: 5, total: 10 } })];
    };
    await showProgress(
      {
        clock: new TestClock(),
        errIsTerminal,
        progress: (line) => lines.push(line),
        settings: { SOURCE: "file" },
        flags: { once: true },
      },
      snapshots,
      stop.signal,
    );
    return { asked, lines };
  };
  const { asked, lines } = await shown(true);
  assertEquals([asked, lines.length, lines[1]], [2, 2, ""]);
  assert(lines[0]!.includes("50"), lines[0]);
  assertEquals(await shown(false), { asked: 0, lines: [] });
});
