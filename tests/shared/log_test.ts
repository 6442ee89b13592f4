import { assertEquals, assertMatch } from "@std/assert";
import { createLog, type LogOptions } from "../../src/shared/log.ts";

function collect(options: Partial<LogOptions>) {
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => lines.push(line), now: () => 0, ...options });
  return { log, lines };
}

Deno.test("createLog() writes one JSON object a line, bound fields included, at or above its level", () => {
  const { log, lines } = collect({ level: "warn" });
  log.info("hidden");
  log.with({ component: "kafka" }).warn("line\nbreak", { partition: 3, reason: undefined });
  log.error("gone");
  assertEquals(lines.map((line) => JSON.parse(line)), [
    { time: "1970-01-01T00:00:00.000Z", level: "warn", message: "line\nbreak", component: "kafka", partition: 3 },
    { time: "1970-01-01T00:00:00.000Z", level: "error", message: "gone" },
  ]);
  for (const line of lines) assertEquals(line.includes("\n"), false);
});

Deno.test("createLog() writes readable text, quoted where a value could be mistaken", () => {
  const { log, lines } = collect({ format: "text" });
  log.info("started", { port: 8080, host: "a b", reason: undefined });
  assertEquals(lines, ['00:00:00.000 info  started port=8080 host="a b"']);
});

Deno.test("createLog() colours warnings only where colour is wanted", () => {
  const { log, lines } = collect({ format: "text", colour: true });
  log.warn("careful");
  // deno-lint-ignore no-control-regex
  assertMatch(lines[0]!, /^\x1b\[33m.*careful\x1b\[0m$/);
});
