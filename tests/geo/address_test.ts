// The address grammar as tables, and against an obvious twin on addresses and on near misses of them.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isIPv4, isIPv6 } from "node:net";
import {
  ADDRESS_EMPTY,
  ADDRESS_INVALID,
  ADDRESS_V4,
  ADDRESS_V6,
  AddressParser,
  formatV4,
  formatV6,
} from "../../src/geo/address.ts";

const parser = new AddressParser();
const encoder = new TextEncoder();

/** `kind:address` of a text, read from the middle of a larger buffer. */
function parse(text: string): string {
  const bytes = encoder.encode(`1${text}1`);
  const kind = parser.parse(bytes, 1, bytes.length - 1);
  if (kind === ADDRESS_V4) return formatV4(parser.words[0]!);
  if (kind === ADDRESS_V6) return formatV6(parser.words);
  return kind === ADDRESS_EMPTY ? "empty" : kind === ADDRESS_INVALID ? "invalid" : "?";
}

Deno.test("parse() reads every accepted form of an address", () => {
  const table: [string, string][] = [
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["1.2.3.4", "1.2.3.4"],
    ["1.2.3.4:0", "1.2.3.4"],
    ["1.2.3.4:65535", "1.2.3.4"],
    ["  \t1.2.3.4:80 ", "1.2.3.4"],
    ["::", "0:0:0:0:0:0:0:0"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["1::", "1:0:0:0:0:0:0:0"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["1::8", "1:0:0:0:0:0:0:8"],
    ["2001:DB8::0a0B", "2001:db8:0:0:0:0:0:a0b"],
    ["2001:db8:0:0:1::1.2.3.4", "2001:db8:0:0:1:0:102:304"],
    ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
    ["::1.2.3.4", "0:0:0:0:0:0:102:304"],
    ["[::1]", "0:0:0:0:0:0:0:1"],
    ["[2001:db8::1]:443", "2001:db8:0:0:0:0:0:1"],
    [" [::1%lo]:80\t", "0:0:0:0:0:0:0:1"],
    ["fe80::1%eth0", "fe80:0:0:0:0:0:0:1"],
    ["fe80::%1", "fe80:0:0:0:0:0:0:0"],
    ["fe80::1.2.3.4%en-0.1_~", "fe80:0:0:0:0:0:102:304"],
    // v4-mapped, however it is written
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::FFFF:102:304", "1.2.3.4"],
    ["0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"],
    ["[::ffff:1.2.3.4]:80", "1.2.3.4"],
    ["::ffff:1.2.3.4%1", "1.2.3.4"],
  ];
  for (const [text, expected] of table) assertEquals(parse(text), expected, text);
});

Deno.test("parse() tells a missing address from an invalid one", () => {
  for (const text of ["", " ", "\t \t"]) assertEquals(parse(text), "empty", JSON.stringify(text));
  const invalid = [
    ..."- unknown localhost 1 1.2 1.2.3 1.2.3.4.5 1.2.3. .1.2.3.4 1..3.4 1.2.3.4. 256.1.1.1 1.2.3.999 1.2.3.0256".split(
      " ",
    ),
    // Leading zeros: octal for some readers, decimal for others.
    ..."01.2.3.4 1.2.3.00 010.0.0.1 0x1.2.3.4 1e1.2.3.4 +1.2.3.4 -1.2.3.4 16909060".split(" "),
    ..."1.2.3.4: 1.2.3.4:x 1.2.3.4:65536 1.2.3.4:000080 1.2.3.4:-1 1.2.3.4/24 1.2.3.4%eth0 [1.2.3.4] [1.2.3.4]:80"
      .split(" "),
    ..."1.2.3.4,5.6.7.8 1.2.3.4:80:90 1.2.3.4\u0000 １.2.3.4 1.2.3.٤".split(" "),
    ..."1.2.3 .4".split("|"),
    ..."1.2.3.4 5.6.7.8".split("|"),
    ..."1.2.3.4\n".split("|"),
    ..."\u00a01.2.3.4".split("|"),
    ...": ::: :1 1: 1::: ::1:: 1::2::3 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7:8:: ::1:2:3:4:5:6:7:8 1:2:3:4::5:6:7:8"
      .split(" "),
    ..."12345:: g:: ::g 1:2:3:4:5:6:7:1.2.3.4 ::1.2.3 ::1.2.3.4.5 ::1.2.3.4:5 ::01.2.3.4 ::1.2.3.256 1.2.3.4::".split(
      " ",
    ),
    ..."[ ] [] [::1 ::1] [::1]] [[::1]] [::1]: [::1]x [::1]:x [::1]:65536 ::1:65536 [::1]:80:80 [:]".split(" "),
    ..."fe80::1% %eth0 fe80::1%% fe80::1%eth0%1 fe80::1%eth/0 1:%1 fe80:%1 ::1%é".split(" "),
    `fe80::1%${"a".repeat(65)}`,
    "1".repeat(100_000),
    ":".repeat(100_000),
  ];
  for (const text of invalid) assertEquals(parse(text), "invalid", JSON.stringify(text.slice(0, 80)));
});

/** The twin: the platform's own validity and arithmetic on split texts. */
function slow(text: string): string {
  text = text.replace(/^[ \t]+|[ \t]+$/g, "");
  if (text === "") return "empty";
  const port = /^(.*?):(\d{1,5})$/s.exec(text);
  if (port && Number(port[2]) <= 65535 && (isIPv4(port[1]!) || /^\[.*\]$/s.test(port[1]!))) text = port[1]!;
  if (isIPv4(text)) return text;
  const bracketed = /^\[(.*)\]$/s.exec(text);
  if (bracketed) text = bracketed[1]!;
  text = text.replace(/%[A-Za-z0-9._~-]{1,64}$/, "");
  if (text.includes("%") || !isIPv6(text)) return "invalid";
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted) {
    const [a, b, c, d] = dotted.slice(1).map(Number) as [number, number, number, number];
    text = text.slice(0, dotted.index) + `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  }
  const [head = "", tail = ""] = text.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...new Array<string>(missing).fill("0"), ...groups(tail)].map((group) =>
    parseInt(group, 16)
  );
  if (all.slice(0, 5).every((group) => group === 0) && all[5] === 0xffff) {
    return [all[6]! >> 8, all[6]! & 255, all[7]! >> 8, all[7]! & 255].join(".");
  }
  return all.map((group) => group.toString(16)).join(":");
}

const octet = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 255));
const v4Text = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join("."));
const group = fc.oneof(fc.constant("0"), fc.nat(0xffff).map((value) => value.toString(16)));
const v6Text = fc.tuple(
  fc.array(group, { maxLength: 8 }),
  fc.array(group, { maxLength: 8 }),
  fc.option(v4Text),
  fc.boolean(),
)
  .map(([head, tail, v4, gap]) => head.join(":") + (gap ? "::" : ":") + [...tail, ...(v4 ? [v4] : [])].join(":"));
const dressed = fc.tuple(
  fc.constantFrom("", " ", "\t", "[", " ["),
  fc.oneof(v4Text, v6Text, fc.ipV6(), fc.ipV4Extended()),
  fc.constantFrom("", "%eth0", "%", "]", "]:80", ":80", ":99999", " ", "%1]:443"),
).map((parts) => parts.join(""));
/** One character taken out, put in or exchanged: where strict grammars go wrong. */
const damaged = fc.tuple(
  dressed,
  fc.nat(60),
  fc.constantFrom("", "0", "1", "9", "f", "g", ".", ":", "::", "%", "[", "]", " "),
  fc.nat(1),
)
  .map(([text, at, with_, cut]) =>
    text.slice(0, at % (text.length + 1)) + with_ + text.slice((at % (text.length + 1)) + cut)
  );

Deno.test("parse() equals its slow twin on addresses and near misses", () => {
  const seed = Number(Deno.env.get("SEED") ?? 20261122);
  fc.assert(
    fc.property(fc.oneof(dressed, damaged, fc.string({ maxLength: 50 })), (text) => {
      assertEquals(parse(text), slow(text), JSON.stringify(text));
    }),
    { seed, numRuns: 20_000 },
  );
});

Deno.test("parse() reads nothing outside its range", () => {
  const bytes = encoder.encode("91.2.3.45");
  assertEquals(parser.parse(bytes, 1, bytes.length - 1), ADDRESS_V4);
  assertEquals(formatV4(parser.words[0]!), "1.2.3.4");
});
