import { assertEquals } from "@std/assert";
import { hostInUrl, isLoopback, ownHost } from "../../../src/shared/config/hosts.ts";

Deno.test("isLoopback() is true for this machine only", () => {
  const here = [
    "localhost",
    "LOCALHOST",
    "a.localhost",
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "[::1]",
    "::ffff:127.0.0.1",
    "/run/pg",
  ];
  const elsewhere = [
    "0.0.0.0",
    "::",
    "[::]",
    "10.0.0.1",
    "1270.0.0.1",
    "127.0.0.1.example.com",
    "localhost.example.com",
    "db",
    "",
  ];
  for (const host of here) assertEquals(isLoopback(host), true, host);
  for (const host of elsewhere) assertEquals(isLoopback(host), false, host);
});

Deno.test("ownHost() is this machine where a server listens on all interfaces, hostInUrl() puts IPv6 in brackets", () => {
  const hosts = ["0.0.0.0", "::", "[::]", "::1", "127.0.0.1", "example.org"].map(ownHost);
  assertEquals(hosts, ["127.0.0.1", "::1", "::1", "::1", "127.0.0.1", "example.org"]);
  assertEquals(hosts.map(hostInUrl).slice(3), ["[::1]", "127.0.0.1", "example.org"]);
});
