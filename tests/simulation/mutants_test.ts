// Each mutant still fits the source, and every condition on the way to a count is a mutant's or is named with the reason why it has no mutant.
import { assertEquals } from "@std/assert";
import { REPOSITORY } from "../support/process.ts";
import { BY_FILE, WITHOUT_MUTANT } from "./guards.ts";
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

/** Texts of the lines with an `if` that no mutant of the file touches. */
function untouched(path: string, source: string): string[] {
  const spans = MUTANTS.filter(({ file }) => file === path).flatMap(({ edits }) =>
    edits.map(([target]) => [source.indexOf(target), source.indexOf(target) + target.length] as const)
  );
  return [...source.matchAll(/^.*\bif \(.*$/gm)].filter((line) => !/^\s*(\/\/|\*|\/\*)/.test(line[0])).flatMap(
    (line) => {
      const from = line.index + line[0].indexOf("if ("), to = line.index + line[0].length;
      return spans.some(([start, end]) => start < to && end > from) ? [] : [line[0].trim()];
    },
  );
}

Deno.test("every condition of the counting path is a mutant's, or is named in guards.ts with the reason", async () => {
  const missing: string[] = [], stale: string[] = [];
  for (const [path, entries] of Object.entries(WITHOUT_MUTANT)) {
    const source = await Deno.readTextFile(new URL(path, REPOSITORY));
    const left = untouched(path, source);
    missing.push(...left.filter((line) => !entries.some(([text]) => line.includes(text))).map((l) => `${path}: ${l}`));
    stale.push(...entries.filter(([text]) => !left.some((l) => l.includes(text))).map(([text]) => `${path}: ${text}`));
  }
  assertEquals(missing, [], "add a mutant to mutants.ts, or a line with the reason to WITHOUT_MUTANT of guards.ts");
  assertEquals(stale, [], "no such condition, or it has a mutant now: take the line out of guards.ts");
});

Deno.test("every other file of these folders is named in guards.ts with what holds its conditions", async () => {
  const unnamed: string[] = [];
  const walk = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(new URL(folder, REPOSITORY))) {
      const path = `${folder}${name}`;
      if (isDirectory) await walk(`${path}/`);
      else if (!(path in WITHOUT_MUTANT) && !BY_FILE.some(([prefix]) => path.startsWith(prefix))) unnamed.push(path);
    }
  };
  for (const folder of ["engine", "window", "source", "store"]) await walk(`src/${folder}/`);
  assertEquals(unnamed, []);
});
