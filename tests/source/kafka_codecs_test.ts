import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { CODEC_NAMES, decompress, DecompressError } from "../../src/source/kafka_codecs.ts";
import { compress } from "../support/kafka_record_batch.ts";

const text = new TextEncoder().encode("one line of a log, and again: ".repeat(500));

for (const codec of [1, 2, 3, 4]) {
  const name = CODEC_NAMES[codec];

  Deno.test(`decompress() gives back what ${name} compressed`, () => {
    assertEquals(Buffer.from(decompress(codec, compress(codec, text))).equals(text), true);
    assertEquals(decompress(codec, compress(codec, new Uint8Array(0))).length, 0);
  });

  Deno.test(`decompress() refuses a ${name} body that expands beyond the cap, without expanding it`, () => {
    const bomb = compress(codec, new Uint8Array(20_000_000));
    const before = Deno.memoryUsage().rss;
    const error = assertThrows(() => decompress(codec, bomb, 1_000_000), DecompressError);
    assertStringIncludes(error.message, "more than 1000000 bytes");
    assertEquals(Deno.memoryUsage().rss - before < 200_000_000, true);
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
