import { assertEquals } from "@std/assert";
import { baseOf, isGlob, isRotatedName } from "../../../src/source/file/names.ts";

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

Deno.test("baseOf() takes away what rotation adds, and no more", () => {
  const alone: readonly (readonly [name: string, base: string])[] = [
    ["access.log", "access.log"],
    ["access.log.1", "access.log"],
    ["access.log.12.gz", "access.log"],
    ["access.log-20260101.gz", "access.log"],
    ["access.log.2026-01-01T00:00", "access.log"],
    ["access.log-2026010513.gz", "access.log"],
    ["access.log-1767571200", "access.log"],
    ["access.log.2026-01-05.3.gz", "access.log"],
    ["access-20260101.log", "access.log"],
    ["access-2026-01-01.log.gz", "access.log"],
    ["a.example.access.log.1.gz", "a.example.access.log"],
    ["localhost_access_log.2026-01-05.txt", "localhost_access_log.txt"],
    ["2026-01-05.access.log", "access.log"],
    ["20260105_web1.log", "web1.log"],
    ["u_ex260105.log", "u_ex.log"],
    ["u_ex26010513.log", "u_ex.log"],
    [
      "1234_elasticloadbalancing_eu_app.lb.12ab_20260105T0000Z_10.0.0.1_2soosksi.log.gz",
      "1234_elasticloadbalancing_eu_app.lb.12ab.log",
    ],
    ["EMLARXS9EXAMPLE.2026-01-05-20.RT4KCN4SGK9.gz", "EMLARXS9EXAMPLE"],
    // Copies: one of the log's files begins as they do.
    ["access.log.bak", "access.log"],
    ["access.log~", "access.log"],
    ["access.log.1.old", "access.log"],
    // Servers, not rotations.
    ["web1.log", "web1.log"],
    ["web-1.log", "web-1.log"],
    ["app.8080.log", "app.8080.log"],
    ["access-10.0.0.1.log", "access-10.0.0.1.log"],
  ];
  for (const [name, base] of alone) assertEquals(baseOf(name, () => false), base, name);
  const beside = (name: string) => baseOf(name, (other) => other === "access.log");
  assertEquals(["access.1.log", "access-2.log", "web-1.log"].map(beside), ["access.log", "access.log", "web-1.log"]);
});
