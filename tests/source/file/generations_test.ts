import { assertEquals, assertNotEquals } from "@std/assert";
import {
  beginsAs,
  fingerprintOf,
  type Generation,
  matchFiles,
  type SeenFile,
} from "../../../src/source/file/generations.ts";

const head = (text: string) => new TextEncoder().encode(text);

function generation(number: number, text: string, changes: Partial<Generation> = {}): Generation {
  const bytes = head(text);
  return {
    generation: number,
    fingerprint: fingerprintOf(bytes, bytes.length),
    fingerprintBytes: bytes.length,
    path: `${number}.log`,
    sizeSeen: 0,
    finished: false,
    ...changes,
  };
}

function file(path: string, text: string, changes: Partial<SeenFile> = {}): SeenFile {
  const bytes = head(text);
  return { path, gzip: false, size: bytes.length, head: bytes, settled: true, firstTime: 0, listed: true, ...changes };
}

const located = (known: Generation[], seen: SeenFile[]) =>
  [...matchFiles(known, seen).located].map(([number, { path }]) => [number, path]);
const fresh = (known: Generation[], seen: SeenFile[]) => matchFiles(known, seen).fresh.map(({ path }) => path);

Deno.test("matchFiles() finds a generation by its beginning, whatever the file is called and however it grew", () => {
  const known = [generation(1, "one\n"), generation(2, "two\n")];
  assertEquals(located(known, [file("x.1", "one\nand more\n"), file("x", "two\n")]), [[1, "x.1"], [2, "x"]]);
  assertEquals(fresh(known, [file("x.1", "one\nand more\n"), file("x", "on")]), ["x"]);
});

Deno.test("matchFiles() takes a file shorter than its generation for another one", () => {
  const known = [generation(1, "one\n", { sizeSeen: 100 })];
  assertEquals(fresh(known, [file("x", "one\n", { size: 99 })]), ["x"]);
  assertEquals(located(known, [file("x", "one\n", { size: 100 })]), [[1, "x"]]);
  assertEquals(located(known, [file("x.gz", "one\n", { size: 30, gzip: true })]), [[1, "x.gz"]]);
});

Deno.test("matchFiles() prefers the longest fingerprint, the newest generation, the plain and the longer file", () => {
  const known = [generation(1, "a"), generation(2, "a\nb\n"), generation(3, "a\nb\n")];
  assertEquals(located(known, [file("x", "a\nb\nc\n")]), [[3, "x"]]);
  assertEquals(located(known, [file("x", "a\nc\n")]), [[1, "x"]]);
  const files = [file("z.gz", "a\nb\n", { gzip: true, size: 900 }), file("short", "a\nb\n"), file("long", "a\nb\nc\n")];
  assertEquals(located(known, files), [[3, "long"]]);
});

Deno.test("matchFiles() orders new files by first event time and leaves out copies, unsettled and empty ones", () => {
  const seen = [
    file("c", "c\n", { firstTime: 30 }),
    file("a", "a\n", { firstTime: 10 }),
    file("a.gz", "a\n", { firstTime: 10, gzip: true }),
    file("b", "b", { firstTime: 20, settled: false }),
    file("empty", ""),
  ];
  assertEquals(fresh([], seen), ["a", "c"]);
  assertEquals(matchFiles([], seen).copies.map(({ path }) => path), ["a.gz"]);
});

Deno.test("matchFiles() takes a rotated neighbour only from the newest known generation on", () => {
  const neighbour = (path: string, firstTime: number) => file(path, path, { firstTime, listed: false });
  const seen = [neighbour("old", 5), neighbour("later", 15), file("live", "live", { firstTime: 20 })];
  assertEquals(fresh([], seen), ["live"]);
  const known = [generation(1, "now")];
  assertEquals(fresh(known, [...seen, file("now", "now", { firstTime: 10, listed: false })]), ["later", "live"]);
});

Deno.test("beginsAs() needs the whole fingerprint", () => {
  const known = generation(1, "one\n");
  assertEquals(beginsAs(known, head("one\ntwo")), true);
  assertEquals(beginsAs(known, head("one")), false);
  assertEquals(beginsAs(known, head("One\n")), false);
  assertNotEquals(fingerprintOf(head("ab"), 1), fingerprintOf(head("ab"), 2));
});
