// The errors of a log that does not hold the stored positions: names, bounds, and one wording wherever they are found.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { offset, partitionId } from "../../src/shared/units.ts";
import { positionFault, topicRecreated } from "../../src/shared/faults.ts";

Deno.test("positionFault() allows [logStart, logEnd] and names what lies outside", () => {
  const bounds = { partition: partitionId(3), logStart: offset(10), logEnd: offset(20) };
  const cases: readonly [position: number, code: string | undefined][] = [
    [9, "data_gap"],
    [10, undefined],
    [20, undefined],
    [21, "position_beyond_end"],
  ];
  for (const [position, code] of cases) {
    const fault = positionFault("clicks", offset(position), bounds);
    assertEquals(fault?.code, code, `position ${position}`);
    if (fault) assertStringIncludes(fault.message, `clicks[3]: the next record to read is ${position}`);
  }
});

Deno.test("topicRecreated() names both ids and what to do", () => {
  const { code, message, action } = topicRecreated("clicks", "aa", "bb");
  assertEquals(code, "topic_recreated");
  assertStringIncludes(message, "its id is bb, the stored positions belong to aa");
  assertStringIncludes(action, "tidemark resume --accept-gap");
});

Deno.test("errors of the log are made in one file, so that each has one wording and one action", async () => {
  const made: string[] = [];
  const walk = async (folder: string) => {
    for await (const entry of Deno.readDir(new URL(folder, import.meta.url))) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) await walk(path);
      else if (
        /new StreamStopped\(\s*"(topic_recreated|data_gap|position_beyond_end)"/.test(
          await Deno.readTextFile(new URL(path, import.meta.url)),
        )
      ) {
        made.push(path);
      }
    }
  };
  for (const folder of ["engine", "store", "source/kafka", "operate", "window"]) await walk(`../../src/${folder}`);
  assertEquals(made, []);
});
