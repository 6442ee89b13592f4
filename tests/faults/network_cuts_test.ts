import { assert, assertEquals } from "@std/assert";
import { planCuts } from "./network_cuts.ts";

Deno.test("planCuts() takes every kind once before any kind twice, and promotes the standby once", () => {
  const all = planCuts(1, 1000), kinds = new Set(all.map(({ kind }) => kind));
  assertEquals(all.filter((cut) => "failover" in cut).length, 1);
  assertEquals(kinds.size, 14, [...kinds].join("\n"));
  for (const seed of [1, 2, 3]) {
    const few = planCuts(seed, kinds.size);
    assertEquals(new Set(few.map(({ kind }) => kind)), kinds);
  }
});

Deno.test("planCuts() cuts nothing of the first primary after the failover", () => {
  const cuts = planCuts(4, 1000), failover = cuts.findIndex((cut) => "failover" in cut);
  const hosts = (cut: (typeof cuts)[number]) => "ways" in cut ? cut.ways.flat() : "link" in cut ? [cut.link] : [];
  assert(!cuts.slice(failover + 1).flatMap(hosts).includes("db1"));
  assert(cuts.slice(failover + 1).flatMap(hosts).includes("db2"));
});
