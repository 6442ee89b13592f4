import { assert, assertEquals } from "@std/assert";
import { ByteInterner } from "../../src/event/intern.ts";

const encoder = new TextEncoder();

function intern(interner: ByteInterner, text: string): number {
  const bytes = encoder.encode(`"${text}"`);
  return interner.intern(bytes, new DataView(bytes.buffer), 1, bytes.length - 1);
}

Deno.test("intern() gives equal bytes one slot and different bytes different ones, at every length", () => {
  const interner = new ByteInterner(1);
  const texts = Array.from({ length: 40 }, (_, length) => "a".repeat(length)).flatMap((t) =>
    t === "" ? [t] : [t, `b${t.slice(1)}`, `${t.slice(1)}b`]
  );
  const distinct = [...new Set(texts)];
  distinct.forEach((text, slot) => assertEquals(intern(interner, text), slot));
  distinct.forEach((text, slot) => assertEquals(intern(interner, text), slot));
  assertEquals(interner.size, distinct.length);
});

Deno.test("intern() compares bytes where hashes are equal", () => {
  // 300,000 strings hold about ten pairs of equal 32-bit hashes: without the comparison their slots would coincide.
  const interner = new ByteInterner(1);
  const bytes = encoder.encode("000000");
  const view = new DataView(bytes.buffer);
  for (let n = 0; n < 300_000; n++) {
    for (let k = 5, rest = n; k >= 0; k--, rest = Math.trunc(rest / 10)) bytes[k] = 48 + rest % 10;
    assertEquals(interner.intern(bytes, view, 0, 6), n);
  }
});

Deno.test("intern() grows its arena for strings longer than all of it", () => {
  const interner = new ByteInterner(1);
  const long = "x".repeat(100_000);
  assertEquals([intern(interner, long), intern(interner, `${long}y`), intern(interner, long)], [0, 1, 0]);
});

Deno.test("clear() forgets slots and gives memory back", () => {
  const interner = new ByteInterner(1);
  const empty = interner.memoryBytes;
  for (let n = 0; n < 5000; n++) intern(interner, `key ${n}`);
  assert(interner.memoryBytes > empty * 2);
  interner.clear();
  assertEquals([interner.memoryBytes, interner.size, intern(interner, "key 4999")], [empty, 0, 0]);
});
