import { assertEquals } from "@std/assert";
import { failed, ok, renderFinding, skip, warn } from "../../src/operate/finding.ts";
import { type DatabaseFacts, judgeDatabase, judgeRules } from "../../src/operate/judge_database.ts";
import { judgeRetention, judgeSample, judgeTraits } from "../../src/operate/judge_log.ts";
import { noTraits } from "../../src/operate/batch_traits.ts";
import { RULES_2, rulesJson } from "../../src/event/stream_rules.ts";
import type { Sample } from "../../src/operate/topic_sample.ts";
import { type EpochMs, HOUR, MINUTE } from "../../src/shared/units.ts";

const well: DatabaseFacts = {
  version: 150_004,
  versionText: "15.4",
  user: "tidemark",
  superuser: false,
  isolation: "read committed",
  fsync: true,
  fullPageWrites: true,
  readOnly: false,
  aheadMs: 0,
  exactMs: 1,
  mayWrite: true,
  mayMakeDays: true,
  mayCreate: true,
};

Deno.test("judgeDatabase() raises exactly the check that is wrong", () => {
  const raised = (over: Partial<DatabaseFacts>) =>
    judgeDatabase({ ...well, ...over }, 5 * MINUTE as typeof MINUTE).filter((f) => f.status !== "ok").map((f) =>
      `${f.check} ${f.status}`
    );
  const cases: [Partial<DatabaseFacts>, string[]][] = [
    [{}, []],
    [{ version: 140_000 }, []],
    [{ version: 130_099 }, ["postgres_version fail"]],
    [{ superuser: true }, ["postgres_rights warn"]],
    [{ mayWrite: false }, ["postgres_rights fail"]],
    [{ mayMakeDays: false }, ["postgres_rights fail"]],
    [{ readOnly: true }, ["postgres_rights fail"]],
    [{ mayWrite: null, mayMakeDays: null }, []],
    [{ mayWrite: null, mayMakeDays: null, mayCreate: false }, ["postgres_rights fail"]],
    // Who owns nothing but may do everything through the roles of ddl/roles.sql needs no right to create.
    [{ mayCreate: false }, []],
    [{ isolation: "repeatable read" }, ["isolation fail"]],
    [{ fsync: false }, ["durability warn"]],
    [{ fullPageWrites: false }, ["durability warn"]],
    [{ aheadMs: 1_001 }, []],
    [{ aheadMs: 1_002 }, ["clock_skew warn"]],
    [{ aheadMs: -1_002 }, ["clock_skew warn"]],
    [{ aheadMs: 300_001 }, ["clock_skew warn"]],
    [{ aheadMs: -300_002 }, ["clock_skew fail"]],
    [{ aheadMs: 400_000, exactMs: 399_500 }, []],
  ];
  for (const [over, expected] of cases) assertEquals(raised(over), expected, JSON.stringify(over));
});

const sample = (over: Partial<Sample> = {}): Sample => ({
  records: 1000,
  counted: 1000,
  late: 0,
  nulls: 0,
  dead: {},
  recognised: [],
  places: { located: 1000, unknown: 0, private: 0, invalid: 0 },
  ...over,
});

Deno.test("judgeSample() says what dead letters were recognised as", () => {
  const [finding] = judgeSample(sample({ dead: { array_value: 900 }, recognised: ["a JSON array"] }));
  assertEquals([finding!.status, finding!.detail.endsWith("; what is dead is a JSON array")], ["fail", true]);
});

Deno.test("judgeRules() tells unknown, other and older rules", () => {
  const wanted = { ...RULES_2 };
  const of = (stored: string, asked = wanted) => {
    const { status, detail } = judgeRules(stored, asked);
    return [status, detail.split(/[;:.]/)[0]];
  };
  assertEquals(of(rulesJson(RULES_2)), ["ok", "version 2"]);
  assertEquals(of('{"version": 1}'), ["ok", "version 1"]);
  assertEquals(of('{"version": 9}')[0], "fail");
  assertEquals(of(rulesJson(RULES_2), { ...wanted, hostAddresses: "keep" })[0], "fail");
  assertEquals(of('{"version": 1}', { ...wanted, fields: { event_time: ["ts"] } })[0], "fail");
});

Deno.test("judgeSample() weighs shares of the sample", () => {
  const of = (over: Partial<Sample>) =>
    judgeSample(sample(over)).filter((f) => f.status !== "ok").map((f) => `${f.check} ${f.status}`);
  assertEquals(of({}), []);
  assertEquals(of({ records: 0, counted: 0 }), ["topic_sample skip"]);
  assertEquals(of({ dead: { bad_json: 10 } }), []);
  assertEquals(of({ dead: { bad_json: 11 } }), ["topic_sample warn"]);
  assertEquals(of({ dead: { bad_json: 400, missing_host: 101 } }), ["topic_sample fail"]);
  assertEquals(of({ dead: { future_event_time: 1 } }), ["event_clock warn"]);
  assertEquals(of({ late: 20 }), []);
  assertEquals(of({ late: 21 }), ["lateness warn"]);
  assertEquals(of({ places: { located: 800, unknown: 200, private: 0, invalid: 0 } }), []);
  assertEquals(of({ places: { located: 799, unknown: 201, private: 0, invalid: 0 } }), ["geo_hits warn"]);
  assertEquals(of({ places: { located: 400, unknown: 0, private: 600, invalid: 0 } }), ["geo_hits warn"]);
});

Deno.test("judgeTraits() prefers time stamps of the broker and refuses unknown codecs", () => {
  const traits = { ...noTraits(), batches: 4, codecs: new Map([["zstd", 4]]), appendTime: 4 };
  const status = (over: Partial<typeof traits>) =>
    judgeTraits({ ...traits, ...over }).map((f) => `${f.check} ${f.status}`);
  assertEquals(status({}), ["codecs ok", "timestamps ok"]);
  assertEquals(status({ createTime: 1 }), ["codecs ok", "timestamps warn"]);
  assertEquals(status({ codecs: new Map([["codec 5", 1]]) }), ["codecs fail", "timestamps ok"]);
  assertEquals(status({ legacy: 1 }), ["codecs ok", "timestamps ok", "message_format warn"]);
  assertEquals(judgeTraits(noTraits()), []);
});

Deno.test("judgeRetention() warns before the broker deletes what is not read yet", () => {
  const now = 1000 * HOUR as EpochMs;
  const week = 168 * HOUR;
  const status = (ageMs: number | null, retention: number | null = week) =>
    judgeRetention(
      [{ partition: 0, lag: 5, recordTime: ageMs === null ? null : now - ageMs as EpochMs }],
      retention,
      now,
    ).status;
  assertEquals([status(null), status(HOUR), status(week - 24 * HOUR)], ["ok", "ok", "ok"]);
  assertEquals([status(week - 24 * HOUR + 1), status(week - 1), status(week)], ["warn", "warn", "fail"]);
  // A short retention is not a warning by itself.
  assertEquals([status(HOUR / 2, 2 * HOUR), status(1.5 * HOUR, 2 * HOUR)], ["ok", "warn"]);
  assertEquals([status(week, -1), status(week, null)], ["ok", "skip"]);
});

Deno.test("failed() is true for fail alone; renderFinding() says what to do below it", () => {
  assertEquals(failed([ok("a", ""), warn("b", "", ""), skip("c", "")]), false);
  assertEquals(
    renderFinding(warn("clock_skew", "3 s", "Set it."), false),
    `warn  clock_skew          3 s\n${" ".repeat(26)}→ Set it.`,
  );
});
