import { assert, assertEquals } from "@std/assert";
import { hostNameOf, hostOf, hostOfV2, isAddressList } from "../../src/event/host.ts";

const CASES: readonly (readonly [host: string | undefined, url: string | undefined, expected: string | undefined])[] = [
  ["www.Example.COM", undefined, "www.example.com"],
  ["Example.com:8080", "https://other.example/", "example.com:8080"],
  ["ÄPFEL.example", undefined, "äpfel.example"],
  ["-", undefined, "-"],
  ["", "https://Shop.Example/p?q=1", "shop.example"],
  [undefined, "HTTP://shop.example:8080/p", "shop.example:8080"],
  [undefined, "http://shop.example:80/p", "shop.example"],
  [undefined, "https://user:secret@shop.example/", "shop.example"],
  [undefined, "http://[2001:DB8::1]/", "[2001:db8::1]"],
  [undefined, "https://bücher.example/", "xn--bcher-kva.example"],
  [undefined, "/p/1", undefined],
  [undefined, "//shop.example/p", undefined],
  [undefined, "ftp://shop.example/p", undefined],
  [undefined, "https:shop.example", undefined],
  [undefined, "https://", undefined],
  [undefined, "https://a b/", undefined],
  [undefined, "", undefined],
  [undefined, undefined, undefined],
];

Deno.test("hostOf() takes the host as sent, else from an absolute http URL", () => {
  for (const [host, url, expected] of CASES) assertEquals(hostOf(host, url), expected, `${host} ${url}`);
});

const ONE_SITE = [
  "www.example.com",
  "WWW.Example.COM",
  "www.example.com:443",
  "www.example.com:80",
  "www.example.com.",
  "www.example.com.:443",
  " www.example.com",
  "www.example.com\t",
  "www.example.com:",
  "WWW.EXAMPLE.COM.:80",
];

Deno.test("hostNameOf() gives one form to the spellings of one site", () => {
  for (const sent of ONE_SITE) assertEquals(hostNameOf(sent, "fold"), "www.example.com", sent);
  for (const sent of ["münchen.example", "MÜNCHEN.example", "mu\u0308nchen.example", "xn--mnchen-3ya.example."]) {
    assertEquals(hostNameOf(sent, "fold"), "xn--mnchen-3ya.example", sent);
  }
});

Deno.test("hostNameOf() knows names, addresses, lists and everything else", () => {
  const cases: readonly (readonly [sent: string, folded: string | undefined, kept?: string])[] = [
    ["-", undefined],
    ["", undefined],
    [" \t", undefined],
    ["Example.com:8080", "example.com:8080"],
    ["example.com:0443", "example.com"],
    ["_", "_"],
    ["a_b.example", "a_b.example"],
    ["localhost", "localhost"],
    ["10.0.0.1", "(address)", "10.0.0.1"],
    ["8.8.8.8:51234", "(address)", "8.8.8.8:51234"],
    ["8.8.8.8.", "(address)", "8.8.8.8"],
    ["0x7f.1", "(address)", "127.0.0.1"],
    ["2130706433", "(address)", "127.0.0.1"],
    ["[2001:DB8::1]:8080", "(address)", "[2001:db8::1]:8080"],
    ["2001:db8::1", "(address)", "[2001:db8::1]"],
    ["::ffff:8.8.8.8", "(address)", "[::ffff:808:808]"],
    ["fe80::1%eth0", "(address)", "[fe80::1]"],
    ["[fe80::1%eth0]:80", "(address)", "[fe80::1]"],
    ["203.0.113.188, 10.183.250.139", undefined],
    ["203.0.113.188,", undefined],
    ["unknown, 8.8.8.8", undefined],
    ["2001:db8::1, [2001:db8::2]:443", undefined],
    ["*.example.com", "(invalid)"],
    ["x' or 1=1--", "(invalid)"],
    ["${jndi:ldap://evil.example/a}", "(invalid)"],
    ["a.example, b.example", "(invalid)"],
    ["a.example, 8.8.8.8", "(invalid)"],
    ["user@a.example", "(invalid)"],
    ["a.example/p", "(invalid)"],
    ["(address)", "(invalid)"],
    ["(other)", "(invalid)"],
    ["a.example:99999", "(invalid)"],
    ["xn--a", "(invalid)"],
    [":80", "(invalid)"],
    [".", "(invalid)"],
    ["a:b:c", "(invalid)"],
    ["[example.com]", "(invalid)"],
    ["a".repeat(300), "(invalid)"],
  ];
  for (const [sent, folded, kept = folded] of cases) {
    assertEquals([hostNameOf(sent, "fold"), hostNameOf(sent, "keep")], [folded, kept], sent);
  }
});

Deno.test("hostNameOf() is stable: a host once normalised stays as it is", () => {
  for (const sent of [...ONE_SITE, "a.example:8080", "[2001:DB8::1]:8080", "ä.example", "8.8.8.8:53"]) {
    const once = hostNameOf(sent, "keep")!;
    assertEquals(hostNameOf(once, "keep"), once);
  }
});

Deno.test("hostNameOf() takes linear time, whatever the text", () => {
  const before = performance.now();
  for (const text of [" ", ",", "1.1.1.1,", "a.", ":", "%"]) {
    hostNameOf(`x${text.repeat(500_000 / text.length)}x`, "fold");
  }
  for (const text of [" ", ","]) hostNameOf(text.repeat(500_000), "fold");
  assert(performance.now() - before < 5_000);
});

Deno.test("hostOfV2() falls back to the url where host names none", () => {
  const cases: readonly (readonly [host: string | undefined, url: string | undefined, expected: string | undefined])[] =
    [
      ["-", "https://Shop.Example./p", "shop.example"],
      ["203.0.113.1, 10.0.0.1", "https://shop.example/p", "shop.example"],
      [undefined, "http://shop.example:443/p", "shop.example"],
      [undefined, "https://user:pw@bücher.example/", "xn--bcher-kva.example"],
      [undefined, "http://8.8.8.8/", "(address)"],
      ["a b", "https://shop.example/", "(invalid)"],
      ["203.0.113.1, 10.0.0.1", "/p", undefined],
      [undefined, undefined, undefined],
    ];
  for (const [host, url, expected] of cases) assertEquals(hostOfV2(host, url, "fold"), expected, `${host} ${url}`);
});

Deno.test("isAddressList() tells a forwarded-for list from names", () => {
  for (const list of ["1.1.1.1, 2.2.2.2", "1.1.1.1,", "-, ::1", "unknown, [::1]:80"]) assert(isAddressList(list), list);
  for (const other of ["1.1.1.1", "", ",", "a.example, 1.1.1.1", "unknown, -"]) assert(!isAddressList(other), other);
});
