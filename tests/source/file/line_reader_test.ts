// Whatever pieces the content comes in, the lines are the same.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { offset } from "../../../src/shared/units.ts";
import type { FileContent } from "../../../src/source/file/content.ts";
import { LineReader } from "../../../src/source/file/line_reader.ts";
import { LINE_BYTES_MAX, type LineRun } from "../../../src/source/lines.ts";

/** Content that comes in pieces of the given sizes, over and over, with an empty read in between where a size is 0. */
function inPieces(bytes: Uint8Array, sizes: readonly number[]): FileContent {
  let at = 0;
  let turn = 0;
  return {
    compressed: false,
    taken: 0,
    read(into) {
      const n = Math.min(sizes[turn++ % sizes.length]!, into.length, bytes.length - at);
      into.set(bytes.subarray(at, at + n));
      at += n;
      return Promise.resolve(n);
    },
    info: () => Promise.resolve({ kind: "file", size: bytes.length, modified: 0, identity: "0", links: 1 }),
    reread: (from, to) => Promise.resolve(bytes.subarray(from, to)),
    head: () => Promise.resolve(bytes.subarray(0, 1024)),
    close: () => Promise.resolve(),
  };
}

async function readAll(bytes: Uint8Array, sizes: readonly number[], follow: boolean) {
  const reader = new LineReader(inPieces(bytes, sizes), { byte: 0, origin: 5_000 });
  const lines: [number, string][] = [];
  const take = (run: LineRun | undefined) =>
    run?.walk(
      offset(0),
      (b, start, end, at) => lines.push([at - 5_000, new TextDecoder("latin1").decode(b.subarray(start, end))]),
    );
  let position = 0;
  for (let ends = 0; ends < 3;) {
    const { run, next, atEnd } = await reader.read(0);
    assert(next >= position && next === reader.position);
    assert(run !== undefined || atEnd);
    position = next;
    take(run);
    ends = atEnd ? ends + (sizes.includes(0) && reader.readTo < bytes.length ? 0 : 1) : 0;
  }
  if (!follow) {
    const rest = reader.takeRest(0);
    take(rest.run);
    assertEquals(rest.next, bytes.length);
  }
  return lines;
}

Deno.test("LineReader.read() gives the same lines for every way in which the content arrives", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.stringMatching(/^[a-z]{0,9}$/), { maxLength: 20 }),
      fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 5 }).filter((sizes) =>
        sizes.some((n) => n > 0)
      ),
      fc.boolean(),
      async (words, sizes, follow) => {
        const text = words.join("\n");
        let at = 0;
        const all = text.split("\n").map((line): [number, string] => [(at += line.length + 1) - line.length - 1, line]);
        if (follow) all.pop();
        const bytes = new TextEncoder().encode(text);
        assertEquals(await readAll(bytes, sizes, follow), all.filter(([, line]) => line !== ""));
      },
    ),
  );
});

Deno.test("LineReader.read() finds the lines behind an over-long one, in the same read and in later ones", async () => {
  const long = "x".repeat(2 * LINE_BYTES_MAX + 5);
  const bytes = new TextEncoder().encode(`a\n${long}\nb\nc\n${"y".repeat(LINE_BYTES_MAX + 1)}\nd\n`);
  for (const size of [1 << 20, 100_003, 1 << 22]) {
    const lines = await readAll(bytes, [size], true);
    assertEquals(lines.map(([, line]) => [line[0], line.length]), [
      ["a", 1],
      ["x", LINE_BYTES_MAX + 1],
      ["b", 1],
      ["c", 1],
      ["y", LINE_BYTES_MAX + 1],
      ["d", 1],
    ]);
    assertEquals(lines[2]![0], 2 + long.length + 1);
  }
});
