import { assertEquals } from "@std/assert";
import { hostOf } from "../../src/event/host.ts";

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
