// For how long a reader that has looked makes commits frequent.
import { assertEquals } from "@std/assert";
import { EngineState } from "../../src/engine/state.ts";

Deno.test("watched: from a look on, for as long as a page may take to ask again", () => {
  let time = 0;
  const parts = { clock: { now: () => 0, steady: () => time }, mask: () => "", reader: { breakdown: null } };
  const state = new EngineState({} as never, parts as never);
  assertEquals(state.watched, false);
  state.look();
  assertEquals(state.watched, true);
  time = 29_999;
  assertEquals(state.watched, true);
  time = 30_000;
  assertEquals(state.watched, false);
});
