// The walk over JSON bytes, held against JSON.parse and the platform's UTF-8 decoder.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { plainEnd, stringEnd, utf8Length, valueEnd } from "../../src/event/json_scan.ts";

const encoder = new TextEncoder();
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether `valueEnd` takes all of `text`, which lies in a longer buffer. */
function walks(text: string): boolean {
  const bytes = encoder.encode(`1${text}1`);
  return valueEnd(bytes, new DataView(bytes.buffer), 1, bytes.length - 1) === bytes.length - 1;
}

Deno.test("plainEnd() stops at the first special byte, wherever it lies in a word", () => {
  for (let value = 0; value < 256; value++) {
    const special = value < 0x20 || value >= 0x80 || value === 0x22 || value === 0x5c;
    for (let at = 0; at < 9; at++) {
      // Neighbours at both ends of the plain range, so that a borrow from one byte to the next would show.
      for (const filler of [0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f]) {
        const bytes = new Uint8Array(12).fill(filler);
        bytes[at] = value;
        const view = new DataView(bytes.buffer);
        assertEquals(plainEnd(bytes, view, 0, 11), special ? at : 11, `byte ${value} at ${at} among ${filler}`);
      }
    }
  }
});

Deno.test("utf8Length() accepts exactly the sequences that the decoder accepts", () => {
  const bytes = new Uint8Array(4);
  for (let lead = 0x80; lead < 0x100; lead++) {
    for (const second of [0x00, 0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]) {
      for (const third of [0x22, 0x7f, 0x80, 0xbf, 0xc0]) {
        for (const fourth of [0x22, 0x80, 0xbf, 0xc0]) {
          bytes.set([lead, second, third, fourth]);
          for (let end = 1; end <= 4; end++) {
            assertEquals(utf8Length(bytes, 0, end), decodedLength(bytes, end), `${bytes} of ${end}`);
          }
        }
      }
    }
  }
});

/** Length of the first character of `bytes[0, end)` by the platform's decoder, 0 where it finds none. */
function decodedLength(bytes: Uint8Array, end: number): number {
  const first = lossy.decode(bytes.subarray(0, end)).codePointAt(0)!;
  return first === 0xfffd ? 0 : first < 0x800 ? 2 : first < 0x10000 ? 3 : 4;
}

Deno.test("valueEnd() takes what JSON.parse takes", () => {
  fc.assert(fc.property(fc.json({ maxDepth: 4 }), (text) => assert(walks(text), text)));
  for (
    const text of [
      "-0",
      "0.5",
      "1e5",
      "1E-5",
      "-1.5e+10",
      "[]",
      "{}",
      "[ ]",
      '{ "a" : [ 1 , 2 ] }',
      '"\\u00e9\\/"',
      '"é😀"',
      "[".repeat(16) + "]".repeat(16),
    ]
  ) {
    assert(parses(text) && walks(text), text);
  }
});

Deno.test("valueEnd() gives up on whatever JSON.parse refuses", () => {
  const alphabet = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "\\",
    "a",
    "u",
    "0",
    "1",
    "-",
    "+",
    ".",
    "e",
    " ",
    "\n",
    "\0",
    "\x1f",
    "true",
    "null",
    "é",
    '"a"',
    '"a":',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...alphabet), { maxLength: 10 }), (parts) => {
      const text = parts.join("");
      // A number may end before rubbish that a caller would refuse, so only whole texts count, without surrounding space.
      if (text.trim() === text && !parses(text)) assert(!walks(text), text);
    }),
    { numRuns: 20_000 },
  );
});

Deno.test("valueEnd() leaves nesting beyond its depth to JSON.parse instead of exhausting the stack", () => {
  assert(!walks("[".repeat(17) + "]".repeat(17)));
  assert(!walks("[".repeat(500_000)));
});

Deno.test("stringEnd() never passes the end of the record", () => {
  for (const text of ["abc", "\\", "\\u12", "\\u123", "é".slice(0, 1), "a\\"]) {
    const bytes = encoder.encode(`${text}"34"`);
    assertEquals(stringEnd(bytes, new DataView(bytes.buffer), 0, encoder.encode(text).length), -1, text);
  }
});
