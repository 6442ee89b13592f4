// The address grammar as tables; tests/fuzz holds it against an obvious twin.
import { assertEquals } from "@std/assert";
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

Deno.test("parse() reads nothing outside its range", () => {
  const bytes = encoder.encode("91.2.3.45");
  assertEquals(parser.parse(bytes, 1, bytes.length - 1), ADDRESS_V4);
  assertEquals(formatV4(parser.words[0]!), "1.2.3.4");
});
