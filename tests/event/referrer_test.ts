import { assertEquals } from "@std/assert";
import { REFERRER_WITHOUT_HOST, referrerOf } from "../../src/event/referrer.ts";

const CASES: readonly (readonly [sent: string | undefined, raw: string, origin: string, domain: string])[] = [
  [undefined, "", "", ""],
  ["", "", "", ""],
  ["-", "", "", ""],
  ["https://www.Example.com/a?b#c", "https://www.Example.com/a?b#c", "https://www.example.com", "example.com"],
  ["http://example.com:8080/", "http://example.com:8080/", "http://example.com:8080", "example.com"],
  ["https://u:p@example.com:443/x", "https://u:p@example.com:443/x", "https://example.com", "example.com"],
  ["https://www.www.example.com", "https://www.www.example.com", "https://www.www.example.com", "www.example.com"],
  [
    "android-app://com.example.app/",
    "android-app://com.example.app/",
    "android-app://com.example.app",
    "com.example.app",
  ],
  ["www.example.com", "www.example.com", REFERRER_WITHOUT_HOST, REFERRER_WITHOUT_HOST],
  ["about:blank", "about:blank", REFERRER_WITHOUT_HOST, REFERRER_WITHOUT_HOST],
  ["--", "--", REFERRER_WITHOUT_HOST, REFERRER_WITHOUT_HOST],
];

Deno.test("referrerOf() keeps, shortens or names as direct", () => {
  for (const [sent, ...expected] of CASES) {
    assertEquals(
      (["raw", "origin", "domain"] as const).map((granularity) => referrerOf(sent, granularity)),
      expected,
      sent ?? "missing",
    );
  }
});
