// One record through the engine's step, whatever its bytes, time and watermark: exactly one of counted, late, dead and null, as the rules in
// words have it.
import { readEvent } from "../../src/event/read_event.ts";
import { maskPayload } from "../../src/event/mask_payload.ts";
import { createEventReader } from "../../src/event/fast_reader.ts";
import { type DurationMs, type EpochMs, NEVER, type Offset, offset, type PartitionId } from "../../src/shared/units.ts";
import type { RecordRun } from "../../src/source/port.ts";
import { Counter, type CountingRules } from "../../src/window/counter.ts";
import { Delta } from "../../src/window/delta.ts";
import { Tracker } from "../../src/window/tracker.ts";
import { createEchoLocator, RULE_SETS } from "./event_pair.ts";
import { generateValue } from "./event_values.ts";
import { type Below, chanceOf } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, type Verdict } from "./target.ts";

const MINUTE = 60_000;
const RULES: CountingRules = {
  windowSize: 5 * MINUTE as DurationMs,
  watermarkDelay: MINUTE as DurationMs,
  maxFutureSkew: 5 * MINUTE as DurationMs,
  latePolicy: "store",
  offsetsCountRecords: true,
};
/** The time of most of the generator's events, and the clock of the reader. */
const ABOUT = Date.parse("2026-06-01T10:15:30Z");
const AT = offset(41);
const PARTITION = 3 as PartitionId;
const NAMES = Object.keys(RULE_SETS);

function generate(below: Below): Case {
  const { pick, once, int } = chanceOf(below);
  const around = () =>
    ABOUT + (once(2) ? int(-400, 400) * 1000 : pick([-5, -1, 0, 1, 4, 5, 6, 10]) * MINUTE + int(-1, 1));
  const recordTime = once(8) ? pick([0, ABOUT * 2]) : around();
  const boundary = () =>
    Math.floor(ABOUT / RULES.windowSize) * RULES.windowSize + int(0, 2) * RULES.windowSize + int(-1, 1);
  const watermark = once(3) ? -Infinity : once(2) ? boundary() : around();
  const policy = pick(["store", "drop"]);
  const rules = pick(NAMES);
  const tombstone = once(20);
  return {
    variant: [rules, policy, recordTime, watermark, ...(tombstone ? ["null"] : [])].join(" "),
    input: tombstone ? new Uint8Array(0) : generateValue(below),
  };
}

/** One record with a hole of offsets before it. */
function runOf(bytes: Uint8Array, end: number, recordTime: number): RecordRun {
  return { walk: (_from: Offset, visit) => visit(bytes, 0, end, AT + 1, recordTime) };
}

class OutcomeJudge implements Judge {
  readonly #locator = createEchoLocator();
  readonly #readers = new Map(
    NAMES.map((name) => [name, createEventReader({ ...RULE_SETS[name]!, locator: this.#locator, hashSeed: 7 })]),
  );

  check({ variant, input }: Case): Verdict {
    const [name, latePolicy, record, mark, tombstone] = variant.split(" ") as [
      string,
      "store" | "drop",
      string,
      string,
      string?,
    ];
    const reader = this.#readers.get(name)!, recordTime = Number(record), watermark = Number(mark) as EpochMs;
    if (reader.memoryBytes > 4 * 1024 * 1024) reader.reset();
    const tracker = new Tracker({
      partition: PARTITION,
      commitId: "",
      nextOffset: AT,
      firstOffset: offset(0),
      watermark,
      recordWatermark: watermark,
      maxWindowEnd: NEVER,
      raisedAt: NEVER,
      quietSince: null,
      retired: false,
    }, ABOUT as EpochMs);
    const delta = new Delta(maskPayload);
    const now = ABOUT + 10 * MINUTE as EpochMs;
    const end = tombstone === undefined ? input.length : -1;
    new Counter({ ...RULES, latePolicy }, reader).count(
      tracker,
      {
        partition: PARTITION,
        from: AT,
        next: offset(AT + 2),
        logStart: offset(0),
        logEnd: offset(AT + 2),
        lastStable: offset(AT + 2),
        sentAt: now,
        runs: [runOf(input, end, recordTime)],
      },
      delta,
      now,
      now,
    );

    // In words: a null is a null. What is not an event is dead. What lies too far ahead of when it was seen is dead. What belongs to a window that
    // the watermark has passed is late. Everything else is counted.
    const seenAt = Math.min(recordTime, now);
    const read = tombstone === undefined ? readEvent(input, RULE_SETS[name]!) : null;
    const windowStart = read?.kind === "event" ? Math.floor(read.eventTime / RULES.windowSize) * RULES.windowSize : NaN;
    const outcome = read === null || read.kind === "comment"
      ? "null"
      : read.kind === "dead"
      ? read.reason
      : read.eventTime - RULES.maxFutureSkew > seenAt
      ? "future_event_time"
      : windowStart + RULES.windowSize <= watermark
      ? "late"
      : "counted";
    const counts = outcome === "counted" || outcome === "late";
    const raised = read?.kind === "event" && counts
      ? Math.max(watermark, Math.min(read.eventTime, seenAt) - RULES.watermarkDelay)
      : watermark;
    const dead = read !== null && !counts;
    const hit = read?.kind === "event"
      ? [[windowStart, read.host, read.referrer, read.address, 1, read.bot ? 1 : 0].join("\x1f")]
      : [];
    const expected = {
      tally: {
        counted: outcome === "counted" ? 1 : 0,
        late: outcome === "late" ? 1 : 0,
        lateDropped: outcome === "late" && latePolicy === "drop" ? 1 : 0,
        dead: dead ? 1 : 0,
        nulls: outcome === "null" ? 1 : 0,
        skipped: 1,
      },
      windows: outcome === "counted" ? hit : [],
      late: outcome === "late" && latePolicy === "store" ? hit : [],
      dead: dead ? [`${PARTITION} ${outcome} ${AT + 1}`] : [],
      position: AT + 2,
      watermark: raised,
    };
    const hits = (tables: Delta["windows"]) =>
      [...tables].flatMap(([start, t]) =>
        Array.from(
          { length: t.size },
          (_, i) =>
            [
              start,
              reader.hosts.text(t.host[i]!),
              reader.referrers.text(t.referrer[i]!),
              this.#locator.address(t.place[i]!),
              t.keyHits[i],
              t.keyBotHits[i],
            ].join("\x1f"),
        )
      );
    const found: typeof expected = {
      tally: tracker.tally,
      windows: hits(delta.windows),
      late: hits(delta.late),
      dead: delta.dead.ranges.map(({ partition, reason, firstOffset }) => `${partition} ${reason} ${firstOffset}`),
      position: tracker.position,
      watermark: tracker.watermark,
    };
    const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
    return a === b ? sound(outcome) : faulty(outcome, `is booked as ${a}, by the rules ${b}`);
  }
}

export const outcomeTarget: Target = {
  name: "outcome",
  holds:
    "a record of any content is exactly one of counted, late, dead (with a reason) and null, with its hit in that place and the watermark as the rules say",
  generate,
  open: () => new OutcomeJudge(),
  shares: {
    counted: 0.05,
    late: 0.05,
    null: 0.02,
    future_event_time: 0.005,
    bad_json: 0.02,
    bad_line: 0.01,
    bad_encoding: 0.01,
    bad_event_time: 0.01,
    missing_host: 0.01,
  },
  testCases: 20_000,
};
