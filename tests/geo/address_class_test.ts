// The special-purpose ranges: first and last address of each block, and the neighbours on both sides.
import { assertEquals } from "@std/assert";
import { ADDRESS_V4, ADDRESS_V6, AddressParser, formatV4 } from "../../src/geo/address.ts";
import { embeddedV4, isSpecialV4, isSpecialV6 } from "../../src/geo/address_class.ts";

const parser = new AddressParser();

function special(text: string): boolean {
  const bytes = new TextEncoder().encode(text);
  switch (parser.parse(bytes, 0, bytes.length)) {
    case ADDRESS_V4:
      return isSpecialV4(parser.words[0]!);
    case ADDRESS_V6:
      return isSpecialV6(parser.words);
    default:
      throw new Error(`not an address: ${text}`);
  }
}

/** Block, first, last, the address before it and the one after it ("" where the neighbour is special too or does not exist). */
const BLOCKS: readonly [string, string, string, string, string][] = [
  ["0/8", "0.0.0.0", "0.255.255.255", "", "1.0.0.0"],
  ["10/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"],
  ["100.64/10", "100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"],
  ["127/8", "127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"],
  ["169.254/16", "169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"],
  ["172.16/12", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"],
  ["192.0.0/24", "192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"],
  ["192.0.2/24", "192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"],
  ["192.88.99/24", "192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"],
  ["192.168/16", "192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"],
  ["198.18/15", "198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"],
  ["198.51.100/24", "198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"],
  ["203.0.113/24", "203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"],
  ["224/4 and 240/4", "224.0.0.0", "255.255.255.255", "223.255.255.255", ""],
  ["below 2000::/3", "::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", "2000::"],
  ["2001::/23 behind Teredo", "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "", "2001:200::"],
  ["2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff::", "2001:db9::"],
  ["3fff::/20", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff::", "3fff:1000::"],
  ["above 2000::/3", "4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:ffff::", ""],
];

for (const [block, first, last, before, after] of BLOCKS) {
  Deno.test(`isSpecial() holds for all of ${block} and not for its neighbours`, () => {
    assertEquals([special(first), special(last)], [true, true]);
    for (const neighbour of [before, after]) if (neighbour !== "") assertEquals(special(neighbour), false, neighbour);
  });
}

Deno.test("isSpecialV6() knows the ranges that people meet", () => {
  for (
    const text of [
      "::1",
      "100::1",
      "64:ff9b:1::1",
      "5f00::1",
      "fc00::1",
      "fd12::1",
      "fe80::1",
      "fec0::1",
      "ff02::1",
      "::1.2.3.4",
    ]
  ) {
    assertEquals(special(text), true, text);
  }
  for (const text of ["2a00:1450::1", "2606:4700::1", "2400::1", "2c0f::1"]) assertEquals(special(text), false, text);
});

Deno.test("embeddedV4() finds the visitor inside 6to4, NAT64 and Teredo addresses and nowhere else", () => {
  const table: [string, string | null][] = [
    ["2002:102:304::1", "1.2.3.4"],
    ["2002:ffff:ffff:ffff::", "255.255.255.255"],
    ["64:ff9b::1.2.3.4", "1.2.3.4"],
    ["64:ff9b::ffff:ffff", "255.255.255.255"],
    // RFC 4380's own way: server first, port and address inverted
    ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"],
    ["64:ff9b:1::1.2.3.4", null],
    ["64:ff9b:0:1::1", null],
    ["2001:1::1", null],
    ["2003:102:304::1", null],
    ["2a00::1", null],
  ];
  for (const [text, expected] of table) {
    const bytes = new TextEncoder().encode(text);
    assertEquals(parser.parse(bytes, 0, bytes.length), ADDRESS_V6, text);
    const inner = embeddedV4(parser.words);
    assertEquals(inner < 0 ? null : formatV4(inner), expected, text);
  }
});
