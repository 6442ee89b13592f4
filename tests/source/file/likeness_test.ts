import { assertEquals } from "@std/assert";
import type { FileInfo, FileSystem, OpenFile } from "../../../src/source/file/file_system.ts";
import { likenessOf } from "../../../src/source/file/likeness.ts";
import { leadOf } from "../../../src/source/file/listing.ts";
import type { SeenFile } from "../../../src/source/file/match.ts";

const PEEK = 64 * 1024;

/** Two files and how many bytes of them were read. */
function pair(a: Uint8Array, b: Uint8Array, compressed = false) {
  const files = new Map([["a", a], ["b", b]]);
  let read = 0;
  const system = {
    open: (path: string) =>
      Promise.resolve({
        read: (into: Uint8Array, at: number) => {
          const part = files.get(path)!.subarray(at, at + into.length);
          into.set(part);
          read += part.length;
          return Promise.resolve(part.length);
        },
        info: () => Promise.resolve({ identity: path } as FileInfo),
        close: () => Promise.resolve(),
      } as OpenFile),
  } as FileSystem;
  const seen = (path: string, bytes: Uint8Array) =>
    ({ path, identity: path, size: bytes.length, beginning: bytes.subarray(0, PEEK), compressed }) as SeenFile;
  return { likeness: () => likenessOf(seen("a", a), seen("b", b), system), read: () => read };
}

/** Every four bytes differ from all others, as lines of a log do. */
function content(length: number): Uint8Array {
  const bytes = new Uint8Array(length), view = new DataView(bytes.buffer);
  for (let i = 0; i + 4 <= length; i += 4) view.setUint32(i, i * 2_654_435_761);
  return bytes;
}

Deno.test("likenessOf() compares short files byte by byte", async () => {
  const whole = content(500);
  assertEquals(await pair(whole, whole.subarray(0, 200)).likeness(), { common: 200, ends: true });
  assertEquals(await pair(whole, whole).likeness(), { common: 500, ends: true });
  assertEquals(await pair(whole, whole.with(123, whole[123]! ^ 1)).likeness(), { common: 123, ends: false });
});

Deno.test("likenessOf() finds where long files part without reading all of them", async () => {
  const length = 8 * 1024 * 1024, whole = content(length);
  const copy = pair(whole, whole.subarray(0, length - 1_000));
  assertEquals(await copy.likeness(), { common: length - 1_000, ends: true });
  assertEquals(copy.read(), 2 * PEEK);
  for (const at of [PEEK, PEEK + 1, 1_000_000, length - 1]) {
    const other = content(length);
    for (let i = at; i < length; i++) other[i]! ^= 0xff;
    const parted = pair(whole, other);
    assertEquals(await parted.likeness(), { common: at, ends: false }, String(at));
    assertEquals(parted.read() < length / 2, true);
  }
});

Deno.test("likenessOf() takes compressed files that begin alike for 64 KiB for copies", async () => {
  const whole = content(200_000);
  assertEquals(await pair(whole, whole.with(150_000, 1), true).likeness(), { common: PEEK, ends: true });
});

Deno.test("leadOf() finds the first line behind comments", () => {
  const lead = (text: string) => leadOf(new TextEncoder().encode(text));
  assertEquals(lead("#a\n\n#b\nline\nmore\n"), { recordStart: 7, recordEnd: 12 });
  assertEquals(lead("line"), { recordStart: 0, recordEnd: Infinity });
  assertEquals(lead("#a\n#b"), { recordStart: 5, recordEnd: Infinity });
});
