import { assertEquals } from "@std/assert";
import { offset } from "../../src/shared/units.ts";
import { contentEnd, LINE_BYTES_MAX, LineRun, wholeLinesEnd } from "../../src/source/lines.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function walked(text: string, base: number, from = 0): [number, string][] {
  const bytes = encode(`##${text}##`);
  const seen: [number, string][] = [];
  const run = new LineRun({ bytes, start: 2, end: bytes.length - 2, base }, 77);
  run.walk(offset(from), (b, start, end, at, time) => {
    assertEquals(time, 77);
    seen.push([at, decode(b.subarray(start, end))]);
  });
  return seen;
}

Deno.test("LineRun.walk() visits lines with the position of their first byte and skips blank ones", () => {
  assertEquals(walked("a\nbb\r\n\n \t\n\r\n c \nd", 100), [[100, "a"], [102, "bb"], [112, " c "], [116, "d"]]);
  assertEquals(walked("", 5), []);
  assertEquals(walked("\n\n", 5), []);
});

Deno.test("LineRun.walk() begins at the position asked for", () => {
  assertEquals(walked("a\nb\nc\n", 10, 12), [[12, "b"], [14, "c"]]);
  assertEquals(walked("a\nb\nc\n", 10, 16), []);
});

Deno.test("LineRun.line counts blank lines, goes on over runs, and is not known where the first one is not", () => {
  const linesOf = (run: LineRun, from: number) => {
    const seen: number[] = [];
    run.walk(offset(from), () => seen.push(run.line));
    return seen;
  };
  const numbers = { next: 7 };
  const run = (text: string, base: number) =>
    new LineRun({ bytes: encode(text), start: 0, end: encode(text).length, base }, 77, numbers);
  const first = run("a\n\n\nd\n", 0), second = run("e\nf\n", 6);
  assertEquals([linesOf(first, 1), linesOf(first, 0), linesOf(second, 6)], [[10], [7, 10], [11, 12]]);
  numbers.next = Number.NaN;
  assertEquals(linesOf(run("g\n", 10), 10), [Number.NaN]);
});

Deno.test("contentEnd() caps a line one byte above what is allowed", () => {
  const bytes = new Uint8Array(LINE_BYTES_MAX + 10).fill(0x61);
  assertEquals(contentEnd(bytes, 0, LINE_BYTES_MAX), LINE_BYTES_MAX);
  assertEquals(contentEnd(bytes, 3, bytes.length), LINE_BYTES_MAX + 4);
});

Deno.test("wholeLinesEnd() is behind the last newline", () => {
  assertEquals(wholeLinesEnd(encode("a\nb\nc"), 5), 4);
  assertEquals(wholeLinesEnd(encode("a\nb\nc"), 3), 2);
  assertEquals(wholeLinesEnd(encode("abc"), 3), 0);
  assertEquals(wholeLinesEnd(encode("\n"), 0), 0);
});
