import { assertEquals, assertNotEquals } from "@std/assert";
import { beginsAs, contentsOf, fingerprintOf, type Generation } from "../../../src/source/file/generations.ts";
import { disk } from "../../../src/source/file/file_system.ts";
import { likenessOf } from "../../../src/source/file/likeness.ts";
import { matchFiles, readingOrder, repeats, type SeenFile } from "../../../src/source/file/match.ts";
import { file, generation, head } from "./samples.ts";

function match(known: Generation[], seen: SeenFile[], begun = false) {
  return matchFiles(contentsOf(known), seen, { refuted: () => false, likeness, identities: new Map(), begun });
}
const likeness = (a: SeenFile, b: SeenFile) => likenessOf(a, b, disk);
const located = async (known: Generation[], seen: SeenFile[]) =>
  [...(await match(known, seen)).located].map(([number, { path }]) => [number, path]);
const fresh = async (known: Generation[], seen: SeenFile[], begun = false) =>
  (await match(known, seen, begun)).fresh.map(({ file }) => file.path);

Deno.test("matchFiles() finds a generation by its beginning, whatever the file is called and however it grew", async () => {
  const known = [generation(1, "one\n"), generation(2, "two\n")];
  assertEquals(await located(known, [file("x.1", "one\nand more\n"), file("x", "two\n")]), [[1, "x.1"], [2, "x"]]);
  assertEquals(await fresh(known, [file("x.1", "one\nand more\n"), file("x", "on\n")]), ["x"]);
  assertEquals(
    await fresh(known, [file("x.1", "one\nand more\n"), file("x", "on")]),
    [],
    "it may be a copy in the making",
  );
});

Deno.test("matchFiles() takes a file shorter than its generation for another one", async () => {
  const known = [generation(1, "one\n", { sizeSeen: 100 })];
  assertEquals(await fresh(known, [file("x", "one\n", { size: 99 })]), ["x"]);
  assertEquals(await located(known, [file("x", "one\n", { size: 100 })]), [[1, "x"]]);
  assertEquals(await located(known, [file("x.gz", "one\n", { size: 30, compressed: true })]), [[1, "x.gz"]]);
});

Deno.test("matchFiles() prefers the longest fingerprint, the newest generation, the plain and the longer file", async () => {
  const known = [generation(1, "a"), generation(2, "a\nb\n"), generation(3, "a\nb\n")];
  assertEquals(await located(known, [file("x", "a\nb\nc\n")]), [[3, "x"]]);
  assertEquals(await located(known, [file("x", "a\nc\n")]), [[1, "x"]]);
  const files = [
    file("z.gz", "a\nb\n", { compressed: true, size: 900 }),
    file("short", "a\nb\n"),
    file("long", "a\nb\nc\n"),
  ];
  assertEquals(await located(known, files), [[3, "long"]]);
});

Deno.test("matchFiles() orders new files by first event time and leaves out copies, unsettled and empty ones", async () => {
  const seen = [
    file("c", "c\n", { firstTime: 30 }),
    file("a", "a\n", { firstTime: 10 }),
    file("a.gz", "a\n", { firstTime: 10, compressed: true }),
    file("b", "b", { firstTime: 20, settled: false }),
    file("empty", ""),
  ];
  assertEquals(await fresh([], seen), ["a", "c"]);
  assertEquals((await match([], seen)).copies.map(({ path }) => path), ["a.gz"]);
});

Deno.test("matchFiles() takes a rotated neighbour only from the newest known generation on", async () => {
  const neighbour = (path: string, firstTime: number) => file(path, path, { firstTime, listed: false });
  const seen = [neighbour("old", 5), neighbour("later", 15), file("live", "live", { firstTime: 20 })];
  assertEquals(await fresh([], seen), ["live"]);
  const known = [generation(1, "now")];
  assertEquals(await fresh(known, [...seen, file("now", "now", { firstTime: 10, listed: false })]), ["later", "live"]);
});

Deno.test("matchFiles() takes every unknown file once those from before the stream are known", async () => {
  const old = file("old", "old", { firstTime: 5, listed: false });
  const live = file("live", "live", { firstTime: 20 });
  assertEquals(await fresh([generation(1, "live")], [old, live], true), ["old"]);
  assertEquals(await fresh([generation(1, "live")], [old, live]), []);
  assertEquals(await fresh([generation(1, "live"), generation(-1, "old")], [old, live], true), []);
});

Deno.test("matchFiles() takes files that differ behind the same comments for two contents", async () => {
  const comments = "# the same in each file\n".repeat(50), known = [generation(1, comments.slice(0, 1_024))];
  const seen = [file("x.1", `${comments}a\n`), file("x", `${comments}b\n`)];
  assertEquals(await located(known, seen), [[1, "x.1"]]);
  assertEquals(await fresh(known, seen, true), ["x"]);
});

Deno.test("matchFiles() says up to where a file holds what another one holds", async () => {
  const lines = Array.from({ length: 300 }, (_, i) => `line ${i}\n`).join("");
  const known = [generation(1, lines.slice(0, 1_024), { sizeSeen: 9_000 })];
  const home = file("x", `${lines}more\n`, { size: 9_000 });
  const parted = (text: string) => match(known, [home, file("y", text)], true);
  assertEquals((await parted(`${lines}other\n`)).fresh.map(({ copiedTo }) => copiedTo), [lines.length]);
  assertEquals(
    (await parted("line 0\nother\n")).fresh.map(({ copiedTo }) => copiedTo),
    [0],
    "a line may be the same by chance",
  );
  const { fresh: none, copied } = await parted(lines);
  assertEquals([none, copied.map((copy) => copy.file.path)], [[], ["y"]]);
});

Deno.test("matchFiles() does not take a file of comments alone for a copy", async () => {
  const comments = "# a\n# b\n", known = [generation(1, `${comments}one\n`)];
  const seen = [file("x.1", `${comments}one\n`), file("x", comments, { settled: false })];
  assertEquals((await match(known, seen, true)).copies, []);
});

Deno.test("matchFiles() does not take a stored copy for a file that was edited down to a part of it", async () => {
  const text = "one\ntwo\n", more = text + "three\n";
  const copy = generation(-1, more, { sizeSeen: more.length, fromByte: more.length, finished: true });
  const edited = generation(1, text, { sizeSeen: text.length, fromByte: text.length });
  assertEquals(await located([copy, edited], [file("x.bak", more), file("x", text)]), [[1, "x"]]);
  assertEquals(await located([copy, { ...edited, fromByte: 0 }], [file("x.bak", more)]), [[1, "x.bak"]]);
});

Deno.test("matchFiles() takes of several contents the one whose file it was, and none that is refuted", async () => {
  const contents = contentsOf([generation(1, "a\n"), generation(2, "a\n")]);
  const seen = [file("x", "a\nb\n")];
  const which = async (refuted: number, identities: [number, string][]) => [
    ...(await matchFiles(contents, seen, {
      refuted: (_, { number }) => number === refuted,
      likeness,
      identities: new Map(identities),
      begun: true,
    })).located.keys(),
  ];
  assertEquals(await which(0, []), [2]);
  assertEquals(await which(2, []), [1]);
  assertEquals(await which(0, [[1, "x"]]), [1]);
});

Deno.test("readingOrder() goes by counts and dates in names of one log, by first times else", () => {
  const order = (...files: [path: string, firstTime: number, modified?: number][]) =>
    readingOrder(files.map(([path, firstTime, modified = 0]) => file(path, path, { firstTime, modified })))
      .map(({ path }) => path);
  assertEquals(order(["a.log", 3], ["a.log.1", 1], ["a.log.10.gz", 9], ["a.log.2", 2]), [
    "a.log.10.gz",
    "a.log.2",
    "a.log.1",
    "a.log",
  ]);
  assertEquals(order(["a-20260102.log", 1], ["a.log", 0], ["a-20260101.log", 2]), [
    "a-20260101.log",
    "a-20260102.log",
    "a.log",
  ]);
  assertEquals(order(["a.log.1", 1, 1], ["a.log.2", 2, 2], ["a.log.3", 3, 3]), ["a.log.1", "a.log.2", "a.log.3"]);
  assertEquals(order(["b.log", 1], ["a.log", 2]), ["b.log", "a.log"]);
});

Deno.test("repeats() needs most events to be older than what was read, or no newer one to follow", () => {
  const at = (times: number[], quiet = true) => repeats({ times, quiet }, 10);
  assertEquals(at([1, 2, 11]), true);
  assertEquals(at([1, 11, 12]), false);
  assertEquals([at([1]), at([1], false)], [true, "later"]);
  assertEquals([at([9, 10]), at([10, 10], false)], [true, "later"]);
  assertEquals([at([11]), at([])], [false, false]);
});

Deno.test("beginsAs() needs the whole fingerprint", () => {
  const known = generation(1, "one\n");
  assertEquals(beginsAs(known, head("one\ntwo")), true);
  assertEquals(beginsAs(known, head("one")), false);
  assertEquals(beginsAs(known, head("One\n")), false);
  assertNotEquals(fingerprintOf(head("ab"), 1), fingerprintOf(head("ab"), 2));
});
