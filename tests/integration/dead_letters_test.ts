// dead-letters over what a real run has booked.
import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { event, Rig } from "../operate/rig.ts";

Deno.test("dead-letters lists exactly, shows masked, purges samples alone", async () => {
  await using rig = await Rig.start();
  await using stream = await rig.stream("dead", 2);
  await stream.produce(0, [event(0), "no json 198.51.100.9 /?pin=hush", event(0, { event_time: "never" }), event(0)]);
  // A commit keeps few samples of each reason.
  await stream.runOnce();
  await stream.produce(1, [event(0, { host: "", url: "/x" }), ...Array.from({ length: 150 }, () => "{")]);
  // All of it is dead.
  await stream.runOnce(6);

  const { counts, ranges } = JSON.parse((await stream.command(["dead-letters", "list", "--json"])).stdout);
  assertEquals(counts, [
    { reason: "bad_json", partition: 1, records: 150 },
    { reason: "bad_event_time", partition: 0, records: 1 },
    { reason: "bad_json", partition: 0, records: 1 },
    { reason: "missing_host", partition: 1, records: 1 },
  ]);
  assertEquals(ranges.length, 4);
  const one = await stream.command(["dead-letters", "list", "--reason", "bad_json", "--partition", "1"]);
  assertMatch(one.stdout, /^bad_json +partition 1 +150\n/);
  assertMatch(one.stdout, /bad_json +1:1–150\n$/);

  const shown = await stream.command(["dead-letters", "show", "0", "1"]);
  assertEquals(shown.code, 0);
  assertMatch(shown.stdout, /^bad_json, committed .*31 bytes, masked:\n/);
  assertNotMatch(shown.stdout, /198\.51\.100\.9|hush|no sample/);
  // Only some of many alike are kept; the range still covers the rest.
  assertMatch(
    (await stream.command(["dead-letters", "show", "1", "150"])).stdout,
    /one of 150 from 1 to 150.*no sample/,
  );
  const nothing = await stream.command(["dead-letters", "show", "0", "0"]);
  assertEquals(nothing.code, 6, nothing.stdout);

  await stream.sql`update dead_letter_sample set seen_at = now() - interval '2 days' where reason = 'missing_host'`;
  assertMatch(
    (await stream.command(["dead-letters", "purge", "--older-than", "1d", "--reason", "bad_json"])).stdout,
    /^0 samples/,
  );
  assertMatch((await stream.command(["dead-letters", "purge", "--older-than", "1d"])).stdout, /^1 samples/);
  await stream.command(["dead-letters", "purge"]);
  assertEquals((await stream.sql`select from dead_letter_sample`).length, 0);
  assertEquals(JSON.parse((await stream.command(["dead-letters", "list", "--json"])).stdout).counts, counts);
  assertEquals(await stream.imbalances(), []);
  for (const words of [[], ["show"], ["show", "x"], ["show", "x", "y"], ["list", "more"], ["redo"]]) {
    assertEquals((await stream.command(["dead-letters", ...words])).code, 2, words.join(" "));
  }
});
