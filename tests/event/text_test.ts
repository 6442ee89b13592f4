import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { cleanText } from "../../src/event/text.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text).length;

Deno.test("cleanText() replaces what cannot be stored or sent", () => {
  assertEquals(cleanText("a\0b\x1fc\ud800d\udc00", 1024), "a\ufffdb\ufffdc\ufffdd\ufffd");
  assertEquals(cleanText("tab\tline\n\x1e\x7f😀\ufeff", 1024), "tab\tline\n\x1e\x7f😀\ufeff");
});

Deno.test("cleanText() keeps a text of the cap's length and cuts the next longer one", () => {
  for (const [unit, size] of [["a", 1], ["é", 2], ["日", 3], ["😀", 4]] as const) {
    const fits = unit.repeat(64 / size) + "a".repeat(64 % size);
    assertEquals(cleanText(fits, 64), fits);
    const cut = cleanText(`${fits}a`, 64);
    assert(bytesOf(cut) <= 64 && bytesOf(cut) > 64 - 4, cut);
    assert(/#[0-9a-f]{16}$/.test(cut) && cut.startsWith(unit), cut);
  }
});

Deno.test("cleanText() keeps long texts with a common start distinct", () => {
  const start = "https://example.com/".padEnd(2000, "x");
  assertNotEquals(cleanText(`${start}1`, 1024), cleanText(`${start}2`, 1024));
});

Deno.test("cleanText() gives the same suffix in every version, since it is part of stored keys", () => {
  // printf 'a%.0s' $(seq 40) | sha256sum
  assertEquals(cleanText("a".repeat(40), 32), "aaaaaaaaaaaaaaa#e33cdf9c7f7120b9");
});

Deno.test("cleanText() gives well-formed text within the cap and leaves its own results alone", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 80 }), fc.integer({ min: 32, max: 80 }), (text, cap) => {
    const clean = cleanText(text, cap);
    assert(clean.isWellFormed() && bytesOf(clean) <= cap && !clean.includes("\0") && !clean.includes("\x1f"));
    assertEquals(cleanText(clean, cap), clean);
  }));
});
