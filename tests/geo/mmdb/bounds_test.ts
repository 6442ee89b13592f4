// Values that the library may read pass; what leads out of its section, repeats itself without end or is not a value is an error and nothing else.
import { assertThrows } from "@std/assert";
import { MmdbBounds } from "../../../src/geo/mmdb/bounds.ts";

/** Checks the value at `offset` of a section with bytes of other sections around it. */
function check(section: readonly number[], offset = 0): void {
  const bytes = Uint8Array.from([0x41, 0x78, ...section, 0x41, 0x79]);
  new MmdbBounds(bytes, 2, 2 + section.length).check(offset);
}

const text = (value: string) => [0x40 | value.length, ...new TextEncoder().encode(value)];
const times = (count: number, bytes: readonly number[]) => Array.from({ length: count }, () => bytes).flat();
const size3 = (size: number) => [size >> 16, (size >> 8) & 255, size & 255];
const list = (size: number) => size < 29 ? [size, 0x04] : [0x1e, 0x04, (size - 285) >> 8, (size - 285) & 255];
/** A text of 65,821 bytes or more. */
const long = (size: number) => [0x5f, ...size3(size - 65_821), ...new Array<number>(size).fill(0x61)];

Deno.test("check() moves over every type of the format, to its very end", () => {
  const values: readonly (readonly number[])[] = [
    text("a"),
    [0x40],
    [0x5d, 0x00, ...times(29, [0x61])],
    [0x5e, 0x00, 0x01, ...times(286, [0x61])],
    long(65_822),
    [0x68, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
    [0x82, 1, 2],
    [0xa0],
    [0xa2, 1, 2],
    [0xc4, 255, 255, 255, 255],
    [0x04, 0x01, 255, 255, 255, 254],
    [0x08, 0x02, 0, 0, 1, 0, 0, 0, 0, 0],
    [0x10, 0x03, ...times(15, [0]), 9],
    [0x02, 0x04, ...text("a"), 0xa1, 5],
    [0x01, 0x07],
    [0x00, 0x07],
    [0x04, 0x08, 0x3f, 0xc0, 0, 0],
    [0xe2, ...text("a"), 0xa1, 5, ...text("b"), 0xe0],
  ];
  for (const value of values) {
    // Beside another one, which ends with the section: a byte too few or too many is seen.
    const section = [...list(2), ...value, ...text("end")];
    check(section);
    assertThrows(() => check(section.slice(0, -1)), Error, "leads out");
    check(section.slice(2, 2 + value.length));
  }
});

Deno.test("check() follows pointers of every size, and goes on behind them", () => {
  // The forms of two and three bytes count from the end of what the form before reaches.
  const pointers: readonly (readonly [pointer: readonly number[], to: number])[] = [
    [[0x20, 9], 9],
    [[0x21, 9], 265],
    [[0x28, 0, 1], 2_049],
    [[0x29, 0, 1], 67_585],
    [[0x30, 0, 0, 2], 526_338],
    [[0x38, 0, 0, 0, 9], 9],
    [[0x3f, 0, 0, 0, 9], 9],
  ];
  for (const [pointer, to] of pointers) {
    const section = new Array<number>(to + 6).fill(0);
    section.splice(0, pointer.length + 4, ...list(2), ...pointer, 0xa1, 5);
    section.splice(to, 6, ...text("there"));
    check(section);
    assertThrows(() => check(section.slice(0, -1)), Error, "leads out");
    assertThrows(() => check(section.with(pointer.length + 2, 0x61)), Error, "type 3 and 1 bytes");
  }
  // A key may be written elsewhere, too.
  check([0xe1, 0x20, 4, 0xa0, ...text("key")]);
  assertThrows(() => check([0xe1, 0x20, 4, 0xa0, 0xa1, 5]), Error, "not text");
});

/** `width` pointers to the next level, again and again: width^depth values. */
function bomb(width: number, depth: number, end: readonly number[]): number[] {
  const out: number[] = [];
  for (let level = 0; level < depth; level++) {
    const next = out.length + 2 + 5 * width;
    out.push(...list(width), ...times(width, [0x38, 0, 0, next >> 8, next & 255]));
  }
  return [...out, ...end];
}

Deno.test("check() ends, whatever it is given", () => {
  const faults: readonly (readonly [section: readonly number[], why: string])[] = [
    [[0x20, 0], "nested too deeply"], // a pointer to itself
    [[0xe1, ...text("a"), 0x20, 0], "nested too deeply"], // a map that holds itself
    [[0xe1, 0x20, 0, 0xa0], "nested too deeply"], // a map that is its own key
    [bomb(20, 12, [0xe0]), "too many values"],
    [bomb(20, 12, text("x")), "too many values"],
    [[...times(30_000, [0x01, 0x04]), 0xa0], "nested too deeply"],
    [[...times(30_000, [0xe1, 0x41, 0x61]), 0xa0], "nested too deeply"],
    [bomb(20, 2, long(65_821)), "too long texts"],
    [[0x1f, 0x04, 255, 255, 255], "leads out"], // a list of 16 million
    [[0xff, 255, 255, 255], "leads out"],
    [[0x5f, 255, 255, 255], "too long texts"],
    [[0x9f, 255, 255, 255], "too long texts"],
    [[0x45, 0x61], "leads out"], // a text that goes on in what follows the section
    [[0xc4, 1, 2], "leads out"],
    [[0x28, 0, 0], "leads out"],
    [[], "leads out"],
    [[0xe1, 0xa1, 1, 0xa0], "not text"],
    [[0xe1, 0x01, 0x04, 0x41, 0x61, 0xa0], "not text"],
    [[0x09, 0x02, ...times(9, [0])], "type 9 and 9 bytes"],
    [[0x11, 0x03, ...times(17, [0])], "type 10 and 17 bytes"],
    [[0xa3, 0, 0, 1], "type 5 and 3 bytes"],
    [[0xc5, 0, 0, 0, 0, 1], "type 6 and 5 bytes"],
    [[0x05, 0x01, 0, 0, 0, 0, 1], "type 8 and 5 bytes"],
    [[0x64, 0, 0, 0, 0], "type 3 and 4 bytes"],
    [[0x03, 0x08, 0, 0, 0], "type 15 and 3 bytes"],
    [[0x00, 0x05], "type 12"],
    [[0x00, 0xff], "type 262"],
  ];
  for (const [section, why] of faults) assertThrows(() => check(section), Error, why);
  for (const offset of [-1, 3, NaN, 2 ** 32]) assertThrows(() => check([0xa1, 5, 0], offset), Error, "leads out");
});

Deno.test("check() counts values, depth and bytes of texts up to their bounds, and no further", () => {
  const bounds: readonly (readonly [within: readonly number[], beyond: readonly number[], why: string])[] = [
    [[...list(4_095), ...times(4_095, [0xa0])], [...list(4_096), ...times(4_096, [0xa0])], "too many values"],
    [[...times(31, list(1)), 0xa0], [...times(32, list(1)), 0xa0], "nested too deeply"],
    [long(1_048_576), long(1_048_577), "too long texts"],
    [
      [...list(2), ...long(1_048_575), 0x41, 0x61],
      [...list(2), ...long(1_048_575), 0x42, 0x61, 0x61],
      "too long texts",
    ],
  ];
  for (const [within, beyond, why] of bounds) {
    check(within);
    assertThrows(() => check(beyond), Error, why);
  }
  // Each check begins anew.
  const bytes = Uint8Array.from([...list(4_095), ...times(4_095, [0xa0])]);
  const section = new MmdbBounds(bytes, 0, bytes.length);
  for (let i = 0; i < 3; i++) section.check(0);
});
