// The size of the house: what fits into one head. Files in a folder, lines in a file; each exception has its reason.
import { assertEquals } from "@std/assert";
import { walkFiles } from "../support/files.ts";
import { ROOT } from "../support/modules.ts";

interface Limits {
  /** Files directly in one folder. */
  readonly files: number;
  readonly lines: number;
}

/** What the program is made of is read most. Tests and measurements are lists of cases: one may be long, and a folder may hold many. */
const LIMITS: Readonly<Record<string, Limits>> = {
  src: { files: 22, lines: 300 },
  tests: { files: 56, lines: 500 },
  bench: { files: 22, lines: 500 },
  tools: { files: 22, lines: 300 },
};

/** Longer files, with the reason and how long they may become. Style sheets and data are not counted. */
const LONG: Readonly<Record<string, readonly [lines: number, reason: string]>> = {
  "src/shared/config/settings.ts": [640, "data: the one table of settings"],
  "src/event/fast_reader.ts": [480, "the hot path is kept in one file, in the order in which bytes are read"],
  "src/source/file/log.ts": [
    450,
    "one log's files and what happens to them; its parts are match, names, listing and tail",
  ],
  "src/source/file/tail.ts": [420, "one reader's position in one file, and every end that a file can come to"],
  "src/report/contribution.ts": [370, "one report: its parameters, its statement and its rows"],
  "tests/simulation/mutants.ts": [1_100, "data: one entry for each guard"],
  "tests/simulation/files/mutants.ts": [600, "data: one entry for each guard"],
  "tests/simulation/boundaries_test.ts": [950, "one table of boundaries, read from top to bottom"],
};

async function* sources(folder: string) {
  for await (const path of walkFiles(new URL(`${folder}/`, ROOT))) {
    if (/\.tsx?$/.test(path)) yield `${folder}/${path}`;
  }
}

Deno.test("no file is longer than one head holds", async () => {
  const wrong: string[] = [];
  const unused = new Set(Object.keys(LONG));
  for (const [folder, { lines: most }] of Object.entries(LIMITS)) {
    for await (const path of sources(folder)) {
      const lines = (await Deno.readTextFile(new URL(path, ROOT))).split("\n").length - 1;
      if (lines > most) unused.delete(path);
      const allowed = LONG[path]?.[0] ?? most;
      if (lines > allowed) wrong.push(`${path}: ${lines} lines, at most ${allowed}`);
    }
  }
  assertEquals(wrong, []);
  assertEquals([...unused], [], "these exceptions are no longer needed");
});

Deno.test("no folder holds more files than one page lists", async () => {
  const wrong: string[] = [];
  for (const [folder, { files: most }] of Object.entries(LIMITS)) {
    const counts = new Map<string, number>();
    for await (const path of sources(folder)) {
      const at = path.slice(0, path.lastIndexOf("/"));
      counts.set(at, (counts.get(at) ?? 0) + 1);
    }
    for (const [at, files] of counts) if (files > most) wrong.push(`${at}: ${files} files, at most ${most}`);
  }
  assertEquals(wrong, []);
});
