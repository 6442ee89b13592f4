import { assertEquals } from "@std/assert";
import { holdsClientAddress } from "./world.ts";

Deno.test("holdsClientAddress() tells clients from servers, versions and times", () => {
  const lines: [line: string, holds: boolean][] = [
    ['{"message":"bad address","ip":"203.0.113.7"}', true],
    ["from 8.8.8.8:443", true],
    ['{"url":"http://127.0.0.1:8080"}', false],
    ["listening on 0.0.0.0:8080", false],
    ["Kafka 4.1.0, PostgreSQL 15.18, at 2026-11-26T08:45:26.800Z", false],
  ];
  for (const [line, holds] of lines) assertEquals(holdsClientAddress(line), holds, line);
});
