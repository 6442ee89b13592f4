import { assertEquals } from "@std/assert";
import { createLog } from "../../src/shared/log.ts";
import { printable, printableJson, printableLines } from "../../src/shared/printable.ts";

/** C0, DEL, C1, line and paragraph separators, bidirectional controls. */
const ALL = [
  ...Array.from({ length: 32 }, (_, i) => i),
  ...Array.from({ length: 33 }, (_, i) => 0x7f + i),
  ...[0x2028, 0x2029, 0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069],
].map((code) => String.fromCharCode(code));

Deno.test("printable() replaces each character that a terminal acts on, and no other", () => {
  for (const character of ALL) {
    assertEquals(printable(`a${character}b`), "a\ufffdb", character.charCodeAt(0).toString(16));
  }
  const text = " ~\u00a0äπ中👩‍🚀e\u0301\u200b\ufeff";
  assertEquals(printable(text), text);
});

Deno.test("printableLines() keeps line ends, tabs and our own colours alone", () => {
  assertEquals(
    printableLines("\x1b[31mfail\x1b[0m\n\ta\r\x1b[2J\x1b[35m\u202e"),
    "\x1b[31mfail\x1b[0m\n\ta\ufffd\ufffd[2J\ufffd[35m\ufffd",
  );
});

Deno.test("printableJson() has the same value and nothing that a terminal acts on", () => {
  const value = { text: ALL.join("x") };
  const json = printableJson(JSON.stringify(value));
  assertEquals(JSON.parse(json), value);
  assertEquals(printable(json), json);
});

Deno.test("createLog() writes one printable line an entry, whatever message and fields hold", () => {
  for (const format of ["text", "json"] as const) {
    const lines: string[] = [];
    const log = createLog({ level: "info", format, write: (line) => lines.push(line), now: () => 0 });
    log.warn(`topic ${ALL.join("")}`, { error: ALL.join("-"), list: ALL });
    assertEquals([lines.length, printable(lines[0]!) === lines[0]], [1, true], format);
  }
});
