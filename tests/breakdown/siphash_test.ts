// SipHash-2-4 against the vectors of its authors and a twin in 64-bit arithmetic.
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { KEY_BYTES, SipHasher, sipKey } from "../../src/breakdown/siphash.ts";

function hash(key: Uint8Array, bytes: Uint8Array): string {
  const hasher = new SipHasher();
  hasher.hash(sipKey(key), bytes, 0, bytes.length);
  return [hasher.high, hasher.low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/** The paper's section 2, word for word. */
function twin(key: Uint8Array, bytes: Uint8Array): string {
  const mask = (1n << 64n) - 1n;
  const rotated = (x: bigint, bits: bigint) => ((x << bits) | (x >> (64n - bits))) & mask;
  const little = (part: Uint8Array) => part.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const k0 = little(key.subarray(0, 8)), k1 = little(key.subarray(8));
  let v0 = k0 ^ 0x736f6d6570736575n, v1 = k1 ^ 0x646f72616e646f6dn;
  let v2 = k0 ^ 0x6c7967656e657261n, v3 = k1 ^ 0x7465646279746573n;
  const round = () => {
    v0 = (v0 + v1) & mask;
    v1 = rotated(v1, 13n) ^ v0;
    v0 = rotated(v0, 32n);
    v2 = (v2 + v3) & mask;
    v3 = rotated(v3, 16n) ^ v2;
    v0 = (v0 + v3) & mask;
    v3 = rotated(v3, 21n) ^ v0;
    v2 = (v2 + v1) & mask;
    v1 = rotated(v1, 17n) ^ v2;
    v2 = rotated(v2, 32n);
  };
  const padded = new Uint8Array((bytes.length >> 3) * 8 + 8);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length;
  for (let p = 0; p < padded.length; p += 8) {
    const m = little(padded.subarray(p, p + 8));
    v3 ^= m;
    round();
    round();
    v0 ^= m;
  }
  v2 ^= 0xffn;
  for (let i = 0; i < 4; i++) round();
  return (v0 ^ v1 ^ v2 ^ v3).toString(16).padStart(16, "0");
}

const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i);

Deno.test("SipHasher.hash() gives the vectors of the authors", () => {
  // Key 00…0f over 00, 01, …: by the paper's appendix A for 15 bytes, by the reference implementation's vectors.h for the others.
  const vectors: readonly (readonly [number, string])[] = [
    [0, "726fdb47dd0e0e31"],
    [1, "74f839c593dc67fd"],
    [2, "0d6c8009d9a94f5a"],
    [3, "85676696d7fb7e2d"],
    [15, "a129ca6149be45e5"],
  ];
  for (const [length, expected] of vectors) {
    assertEquals(hash(counting(KEY_BYTES), counting(length)), expected, `${length}`);
  }
});

Deno.test("SipHasher.hash() agrees with its twin at every length, and reads only its part", () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  const key = fc.uint8Array({ minLength: KEY_BYTES, maxLength: KEY_BYTES });
  fc.assert(
    fc.property(key, bytes, (key, bytes) => {
      assertEquals(hash(key, bytes), twin(key, bytes));
      const hasher = new SipHasher(), around = new Uint8Array(bytes.length + 7).fill(0xaa);
      around.set(bytes, 3);
      hasher.hash(sipKey(key), around, 3, 3 + bytes.length);
      assertEquals(
        [hasher.high, hasher.low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join(""),
        twin(key, bytes),
      );
    }),
    { numRuns: 500 },
  );
  for (let length = 0; length < 40; length++) {
    assertEquals(hash(counting(KEY_BYTES), counting(length)), twin(counting(KEY_BYTES), counting(length)));
  }
});

Deno.test("sipKey() takes sixteen bytes", () => {
  for (const length of [0, 15, 17]) assertThrows(() => sipKey(new Uint8Array(length)), RangeError);
});
