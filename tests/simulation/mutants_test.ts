// Each mutant still fits the source: the text that it replaces is there exactly once.
import { assertEquals } from "@std/assert";
import { REPOSITORY } from "../support/process.ts";
import { MUTANTS, mutate } from "./mutants.ts";

Deno.test("MUTANTS replace text that is in its file exactly once, and change it", async () => {
  const wrong: string[] = [];
  for (const mutant of MUTANTS) {
    const source = await Deno.readTextFile(new URL(mutant.file, REPOSITORY));
    try {
      if (mutate(mutant, source) === source) wrong.push(`${mutant.guard}: changes nothing`);
    } catch (error) {
      wrong.push(`${mutant.guard}: ${error}`);
    }
  }
  assertEquals(wrong, []);
});
