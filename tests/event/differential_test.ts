// The fast path and the slow path agree: on 200,000 hostile values from a seed, and on every case that was ever found to differ.
import { assert, assertEquals } from "@std/assert";
import { DifferentialPair, fuzz, RULE_SETS } from "./differential.ts";

const CASES = 200_000;

Deno.test("read() agrees with readEvent() on 200,000 hostile values", () => {
  // A new seed each run, so that runs add up; it is in the message of a failure.
  const seed = crypto.getRandomValues(new Int32Array(1))[0]!;
  const { events, failure } = fuzz(seed, CASES);
  assert(
    failure === undefined,
    `seed ${seed}, rules ${failure?.rules}, value ${failure?.value.toBase64()}: ${failure?.difference}`,
  );
  // If nearly everything were rejected, agreement would mean little.
  assert(events > CASES / 4 && events < CASES * 3 / 4, `seed ${seed}: ${events} of ${CASES} were events`);
});

Deno.test("read() agrees with readEvent() on the corpus", async () => {
  const lines = (await Deno.readTextFile(new URL("../golden/event_corpus.ndjson", import.meta.url))).trim().split("\n");
  const pairs = new Map(Object.entries(RULE_SETS).map(([name, rules]) => [name, new DifferentialPair(rules)]));
  for (const line of lines) {
    const { why, rules, base64, expect } = JSON.parse(line) as {
      why: string;
      rules: string;
      base64: string;
      expect: string;
    };
    const pair = pairs.get(rules)!;
    const value = Uint8Array.fromBase64(base64);
    // Alone in its buffer and with bytes behind it that would make sense of an overrun.
    const buffer = Uint8Array.from([...value, ...new TextEncoder().encode('"host":"neighbour"}0123')]);
    for (const [bytes, place] of [[value, "alone"], [buffer, "followed"]] as const) {
      assertEquals(pair.difference(bytes, 0, value.length), undefined, `${why}, ${place}`);
      const result = pair.readFast(bytes, 0, value.length);
      assertEquals(result.kind === "dead" ? result.reason : result.kind, expect, `${why}, ${place}`);
    }
  }
});
