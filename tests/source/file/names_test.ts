import { assertEquals } from "@std/assert";
import { isGlob, isRotatedName } from "../../../src/source/file/names.ts";

Deno.test("isRotatedName() knows what log rotations make of a name", () => {
  const rotated = [
    "access.log.1",
    "access.log.12.gz",
    "access.log.gz",
    "access.log-20260101",
    "access.log-20260101.gz",
    "access.log.2026-01-01T00:00",
    "access-20260101.log",
    "access-2026-01-01.log.gz",
    "access.1.log",
  ];
  const others = [
    "access.log",
    "access.log.bak",
    "access_api.log",
    "access.log~",
    "error.log.1",
    "access.logs",
    "access-api.log",
    ".log",
  ];
  for (const name of rotated) assertEquals(isRotatedName("access.log", name), true, name);
  for (const name of others) assertEquals(isRotatedName("access.log", name), false, name);
  assertEquals(isRotatedName("access", "access.1"), true);
  assertEquals(isRotatedName("access", "accessible"), false);
});

Deno.test("isGlob() tells patterns from names", () => {
  for (const path of ["/var/log/*.log", "a?.log", "[ab].log", "{a,b}.log"]) assertEquals(isGlob(path), true, path);
  assertEquals(isGlob("/var/log/nginx/access.log"), false);
});
