// The idle rule as a table: each line changes one thing of a case that advances.
import { assertEquals } from "@std/assert";
import { type DurationMs, type EpochMs, MINUTE } from "../../src/shared/units.ts";
import { idleAdvance, type IdleEvidence, type IdleRule, NO_WAIT } from "../../src/window/idle.ts";

const T = (hhmm: string) => Date.parse(`2026-01-01T${hhmm}Z`) as EpochMs;
const RULE: IdleRule = { windowSize: 5 * MINUTE as DurationMs, watermarkDelay: MINUTE, idleTimeout: MINUTE };
const SEEN: IdleEvidence = {
  sentAt: T("00:07:30"),
  raisedAt: T("00:03:00"),
  caughtUp: true,
  maxWindowEnd: T("00:05:00"),
  watermark: T("00:01:30"),
};

Deno.test("idleAdvance() raises only where silence proves something", () => {
  const table: [string, Partial<IdleEvidence>, Partial<IdleRule>, EpochMs | null][] = [
    ["the plain case", {}, {}, T("00:05:00")],
    ["not caught up: a backlog is never split", { caughtUp: false }, {}, null],
    ["off", {}, { idleTimeout: null }, null],
    ["the fetch was sent before the timeout was over", { sentAt: T("00:03:59.999") }, {}, null],
    [
      "the fetch was sent just when the timeout was over, but its window is not over by the clock",
      { sentAt: T("00:04:00") },
      {},
      null,
    ],
    ["one ms before the delay has passed the window's end", { sentAt: T("00:05:59.999") }, {}, null],
    ["just when the delay has passed the window's end", { sentAt: T("00:06:00") }, {}, T("00:05:00")],
    ["never above the highest window that holds a record", { sentAt: T("09:00:00") }, {}, T("00:05:00")],
    [
      "another partition's later window lets it go further",
      { sentAt: T("09:00:00"), maxWindowEnd: T("00:25:00") },
      {},
      T("00:25:00"),
    ],
    ["but only to the clock's window", { sentAt: T("00:12:00"), maxWindowEnd: T("00:25:00") }, {}, T("00:10:00")],
    ["an empty stream", { maxWindowEnd: -Infinity as EpochMs }, {}, null],
    [
      "a partition that never had a record",
      { watermark: -Infinity as EpochMs, raisedAt: T("00:00:00") },
      {},
      T("00:05:00"),
    ],
    ["never down", { watermark: T("00:05:00") }, {}, null],
    [
      "run --once needs no silence",
      { sentAt: T("00:07:30"), raisedAt: T("00:07:29.999") },
      { idleTimeout: NO_WAIT },
      T("00:05:00"),
    ],
    ["a clock that was set back", { sentAt: T("00:02:00") }, {}, null],
  ];
  for (const [name, seen, rule, expected] of table) {
    assertEquals(idleAdvance({ ...SEEN, ...seen }, { ...RULE, ...rule }), expected, name);
  }
});
