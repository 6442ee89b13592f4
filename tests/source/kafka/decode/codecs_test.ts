import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { CODEC_NAMES, decompress, DecompressError } from "../../../../src/source/kafka/decode/codecs.ts";
import { compress } from "../../../support/kafka_record_batch.ts";

const text = new TextEncoder().encode("one line of a log, and again: ".repeat(500));

for (const codec of [1, 2, 3, 4]) {
  const name = CODEC_NAMES[codec];

  Deno.test(`decompress() gives back what ${name} compressed`, () => {
    assertEquals(Buffer.from(decompress(codec, compress(codec, text))).equals(text), true);
    assertEquals(decompress(codec, compress(codec, new Uint8Array(0))).length, 0);
  });

  Deno.test(`decompress() refuses a ${name} body that expands beyond the cap`, () => {
    const bomb = compress(codec, new Uint8Array(20_000_000));
    const error = assertThrows(() => decompress(codec, bomb, 1_000_000), DecompressError);
    assertStringIncludes(error.message, "more than 1000000 bytes");
  });

  Deno.test(`decompress() names a ${name} body that is broken`, () => {
    assertThrows(
      () => decompress(codec, new TextEncoder().encode("no such thing, whatever the codec")),
      DecompressError,
    );
    // The runtime's zstd takes an empty or cut-off body for a complete one: the record framing finds those.
    if (codec !== 4) assertThrows(() => decompress(codec, new Uint8Array(0)), DecompressError);
  });
}

Deno.test("decompress() reads snappy with and without xerial framing, in several blocks", () => {
  const framed = compress(2, text), raw = compress(2, text, true);
  assertEquals(Buffer.from(decompress(2, raw)).equals(text), true);
  const two = Buffer.concat([framed, framed.subarray(16)]);
  assertEquals(Buffer.from(decompress(2, two)).equals(Buffer.concat([text, text])), true);
});

Deno.test("decompress() refuses xerial blocks that together exceed the cap", () => {
  const framed = compress(2, new Uint8Array(600_000));
  const two = Buffer.concat([framed, framed.subarray(16)]);
  assertThrows(() => decompress(2, two, 1_000_000), DecompressError, "more than");
});

Deno.test("decompress() refuses a xerial block that overruns the body", () => {
  const framed = Buffer.from(compress(2, text));
  framed.writeInt32BE(framed.length, 16);
  assertThrows(() => decompress(2, framed), DecompressError, "overruns");
  assertThrows(() => decompress(2, framed.subarray(0, 18)), DecompressError);
});

/** One text as others compress it: the lz4 program, Kafka's own producer, snappy-java. */
const OTHERS: readonly (readonly [name: string, codec: number, base64: string])[] = [
  [
    "lz4 with checksums of blocks",
    3,
    "BCJNGHRAvcMAAADxDDIwMjYtMDYtMDFUMTA6MTU6MzBaNCDDqTUgAAEA8wA4IHNob3AuZXhhbXBsZTcWAPYAMyDDqTAgR0VUMSAvcC8xFwB6TW96aWxsYTYAEDkqAEUwIMOpIAAQNBIAEDYFABAxBQAvOSCHAAEQNxsAGTKAAAF0ABIzGAAAeQAQNQsAEThaAAEZAAN/ABk0NQAUNRcAEDIuAAwcAABHAA+AAAMfMJYAAhk1XAARNAABFDRiAAGQABQ3DgAGvABQbXBsZTQL5g9JAAAAADoNKQM=",
  ],
  [
    "lz4 with its size, checksums and linked blocks",
    3,
    "BCJNGHxAawEAAAAAAACmwQAAAPEMMjAyNi0wNi0wMVQxMDoxNTozMFo0IMOpNSAAAQDzADggc2hvcC5leGFtcGxlNxYA9gAzIMOpMCBHRVQxIC9wLzEXAHpNb3ppbGxhNgAQOSoARTAgw6kgABA0EgASNkEAX0dFVDkghwABEDcbABkySgABdAASMxgAAHkAEDULABE4WgABGQAFXwAINQAUNRcAEDIlAAwcAABHAA+AAAMfMBYAAhk1QAARNEAAFDRiAAGQABY3cAAEKwBQbXBsZTRNTR1NAAAAADoNKQM=",
  ],
  [
    "lz4 without any checksum, as Kafka's producer writes it",
    3,
    "BCJNGGBAgsMAAADxDDIwMjYtMDYtMDFUMTA6MTU6MzBaNCDDqTUgAAEA8wA4IHNob3AuZXhhbXBsZTcWAPYAMyDDqTAgR0VUMSAvcC8xFwB6TW96aWxsYTYAEDkqAEUwIMOpIAAQNBIAEDYFABAxBQAvOSCHAAEQNxsAGTKAAAF0ABIzGAAAeQAQNQsAEThaAAEZAAN/ABk0NQAUNRcAEDIuAAwcAABHAA+AAAMfMJYAAhk1XAARNAABFDRiAAGQABQ3DgAGvABQbXBsZTQAAAAA",
  ],
  [
    "snappy-java's stream",
    2,
    "glNOQVBQWQAAAAABAAAAAQAAAMrrAmgyMDI2LTA2LTAxVDEwOjE1OjMwWjQgw6k1IAAFATg4IHNob3AuZXhhbXBsZTcNFjgzIMOpMCBHRVQxIC9wLzEZFxhNb3ppbGxhNjYAADkBKhQwIMOpMyANIAA0ARIANgEFADEBBQQ5IE6HAAA3ARsAMjKAAAV0ADMJGAF5ADUBCwA4BVoIR0VUHV8utQAANRF2ADIBJQA0OhwAAUdWgAAAMFKWAAA1MkAAADQFQAA0EWIFkAA3EQ44MiBzaG9wLmV4YW1wbGU0",
  ],
  [
    "snappy-java's raw block",
    2,
    "6wJoMjAyNi0wNi0wMVQxMDoxNTozMFo0IMOpNSAABQE4OCBzaG9wLmV4YW1wbGU3DRY4MyDDqTAgR0VUMSAvcC8xGRcYTW96aWxsYTY2AAA5ASoUMCDDqTMgDSAANAESADYBBQAxAQUEOSBOhwAANwEbADIygAAFdAAzCRgBeQA1AQsAOAVaCEdFVB1fLrUAADURdgAyASUANDocAAFHVoAAADBSlgAANTJAAAA0BUAANBFiBZAANxEOODIgc2hvcC5leGFtcGxlNA==",
  ],
];

Deno.test("decompress() reads what other programs compressed", async () => {
  for (const [name, codec, base64] of OTHERS) {
    const plain = decompress(codec, Uint8Array.fromBase64(base64));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(plain))).toHex();
    assertEquals(
      [plain.length, digest],
      [363, "510a89a0e2be355930c8cb2a906b6acee82d6dcc32788468bf9c0f3c155ff7d9"],
      name,
    );
  }
});

const bytes = (...parts: (number | readonly number[])[]) => Uint8Array.from(parts.flat());
const int32 = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255];
const frame = (flags: number, ...rest: readonly (readonly number[])[]) =>
  bytes([0x04, 0x22, 0x4d, 0x18, flags, 0x40], ...rest);

const broken: readonly (readonly [name: string, codec: number, body: Uint8Array, why: string])[] = [
  // A length with the highest bit set, by which a reader goes back to the tag that it has just read.
  ["a snappy literal of a negative length", 2, bytes(100, 0xfc, int32(-6)), "overruns"],
  ["a snappy literal longer than the body", 2, bytes(100, 0xf0, 90, 1, 2), "overruns"],
  ["a snappy literal longer than the size", 2, bytes(1, 0x08, 1, 2, 3), "overruns"],
  ["a snappy copy from before the output", 2, bytes(8, 0x00, 1, 0x0d, 2), "begins before"],
  ["a snappy copy of distance 0", 2, bytes(8, 0x00, 1, 0x0d, 0), "begins before"],
  ["a snappy copy beyond the size", 2, bytes(2, 0x00, 1, 0x0d, 1), "overruns"],
  ["a snappy offset that is cut off", 2, bytes(8, 0x00, 1, 0x0e, 1), "cut off"],
  ["a snappy block that holds less than it states", 2, bytes(9, 0x00, 1), "states 9"],
  ["a snappy size without an end", 2, bytes(255, 255, 255, 255, 255, 1), "no size"],
  ["an lz4 frame of another version", 3, frame(0x80, [0], int32(0)), "version"],
  ["an lz4 frame with a dictionary", 3, frame(0x41, [1, 2, 3, 4, 0], int32(0)), "dictionary"],
  ["an lz4 frame without an end", 3, frame(0x40, [0], int32(2), [0x10, 0x61]), "cut off"],
  ["an lz4 block longer than the body", 3, frame(0x40, [0], int32(9), [0x10, 0x61]), "overruns"],
  ["an lz4 literal longer than its block", 3, frame(0x40, [0], int32(2), [0x50, 0x61], int32(0)), "overruns"],
  ["an lz4 length that goes on", 3, frame(0x40, [0], int32(3), [0xf0, 255, 255], int32(0)), "cut off"],
  ["an lz4 copy from before the output", 3, frame(0x40, [0], int32(4), [0x10, 0x61, 2, 0], int32(0)), "begins before"],
  ["an lz4 copy of distance 0", 3, frame(0x40, [0], int32(4), [0x10, 0x61, 0, 0], int32(0)), "begins before"],
  ["an lz4 offset that is cut off", 3, frame(0x40, [0], int32(3), [0x10, 0x61, 1], int32(0)), "cut off"],
  ["an lz4 size beyond any cap", 3, frame(0x48, new Array<number>(8).fill(255), [0], int32(0)), "more than"],
];
for (const [name, codec, body, why] of broken) {
  Deno.test(`decompress() refuses ${name}`, () => {
    assertStringIncludes(assertThrows(() => decompress(codec, body), DecompressError).message, why);
  });
}

Deno.test("decompress() reads copies that reach into themselves", () => {
  const text = (codec: number, body: Uint8Array) => new TextDecoder().decode(decompress(codec, body));
  assertEquals(text(2, bytes(9, 0x04, 0x61, 0x62, 0x1a, 2, 0)), "ababababa");
  assertEquals(text(3, frame(0x40, [0], int32(7), [0x23, 0x61, 0x62, 2, 0, 0x10, 0x7a], int32(0))), "ababababaz");
});
