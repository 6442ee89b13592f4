import { assert, assertAlmostEquals, assertEquals, assertGreater, assertLess } from "@std/assert";
import { RULES_1 } from "../../../src/event/stream_rules.ts";
import { readEvent } from "../../../src/event/read_event.ts";
import { isBotAgent } from "../../../src/event/bots.ts";
import { epochMs, offset } from "../../../src/shared/units.ts";
import { DemoGenerator } from "../../../src/source/demo/generator.ts";

const ANCHOR = epochMs(Date.UTC(2026, 0, 5));
const generator = (shard = 0, seed = 1) => new DemoGenerator({ seed, shard, shards: 4, anchor: ANCHOR, rate: 0.4 });

interface Made {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly recordTime: number;
}
function make(source: DemoGenerator, from: number, to: number): Made[] {
  const made: Made[] = [];
  source.run(offset(from), offset(to)).walk(offset(0), (bytes, start, end, at, recordTime) => {
    made.push({ bytes: bytes.slice(start, end), offset: at, recordTime });
  });
  return made;
}

Deno.test("DemoGenerator.run() gives the same bytes for the same number, however it is walked", () => {
  const whole = make(generator(), 0, 3_000);
  assertEquals(whole.map((r) => r.offset), Array.from({ length: 3_000 }, (_, n) => n));
  const used = generator();
  for (const [from, to] of [[2_000, 2_100], [0, 50], [2_999, 3_000]] as const) {
    assertEquals(make(used, from, to), whole.slice(from, to));
  }
  const middle: number[] = [];
  generator().run(offset(0), offset(100)).walk(offset(90), (_b, _s, _e, at) => middle.push(at));
  assertEquals(middle, [90, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
  assert(make(generator(1), 0, 5).every((r, n) => r.recordTime !== whole[n]!.recordTime));
  assert(new TextDecoder().decode(make(generator(0, 2), 0, 1)[0]!.bytes) !== new TextDecoder().decode(whole[0]!.bytes));
});

Deno.test("DemoGenerator.run() makes traffic with bots, disorder, late and broken records of every kind", () => {
  const rules = {
    stream: RULES_1,
    format: "json",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops: 0,
  } as const;
  const dead = new Map<string, number>();
  const lags: number[] = [];
  const hosts = new Map<string, number>();
  const verdicts = new Map<string, boolean>();
  let bots = 0;
  let future = 0;
  let v6 = 0;
  let count = 0;
  for (let shard = 0; shard < 4; shard++) {
    for (const { bytes, recordTime } of make(generator(shard), 0, 40_000)) {
      count++;
      if (bytes.length > 1_048_576) {
        dead.set("too_large", (dead.get("too_large") ?? 0) + 1);
        continue;
      }
      const text = new TextDecoder().decode(bytes);
      if (
        count % 16 === 0 || !text.endsWith('Z"}') || text.includes("\ufffd") || text.includes('"host":""') ||
        text.includes("25:61")
      ) {
        const read = readEvent(bytes, rules);
        if (read.kind === "dead") {
          dead.set(read.reason, (dead.get(read.reason) ?? 0) + 1);
          continue;
        }
      }
      const event = JSON.parse(text) as Record<string, string>;
      hosts.set(event.host!, (hosts.get(event.host!) ?? 0) + 1);
      const lag = recordTime - Date.parse(event.event_time!);
      if (lag < -300_000) future++;
      else lags.push(lag);
      const agent = event.user_agent!;
      if (!verdicts.has(agent)) verdicts.set(agent, isBotAgent(agent));
      if (verdicts.get(agent)) bots++;
      if (event.ip!.includes(":")) v6++;
    }
  }
  assertEquals([...dead.keys()].sort(), ["bad_encoding", "bad_event_time", "bad_json", "missing_host", "too_large"]);
  for (const [reason, times] of dead) assertLess(times, count / 500, reason);
  assertGreater(future, 10);
  assertAlmostEquals(bots / count, 0.12, 0.01);
  assertGreater(v6 / count, 0.003);
  assert(lags.every((lag) => lag >= 0));
  assertAlmostEquals(lags.filter((lag) => lag <= 5_000).length / lags.length, 0.985, 0.003);
  const late = lags.filter((lag) => lag > 120_000).length / lags.length;
  assert(late > 0.002 && late < 0.004, `${late}`);
  const byVisits = [...hosts.values()].sort((a, b) => b - a);
  assertGreater(byVisits[0]!, 10 * byVisits.at(-1)!);
});
