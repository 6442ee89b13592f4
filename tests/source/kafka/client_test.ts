import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { logLevel } from "kafkajs";
import { UsageError } from "../../../src/shared/errors.ts";
import { createLog, silentLog } from "../../../src/shared/log.ts";
import { createKafka, type KafkaConnection } from "../../../src/source/kafka/client.ts";
import { kafkaLogCreator } from "../../../src/source/kafka/log.ts";

const connection: KafkaConnection = { brokers: ["a:1"], clientId: "t", tls: null, sasl: null };

Deno.test("createKafka() refuses settings that can never work, all at once", () => {
  const error = assertThrows(
    () =>
      createKafka({
        ...connection,
        brokers: [],
        tls: { ca: null, cert: "x", key: null, verify: true },
        sasl: { mechanism: "plain", username: "u", password: "" },
      }, silentLog),
    UsageError,
  );
  assertEquals(error.problems.length, 3);
  createKafka(connection, silentLog);
});

Deno.test("kafkaLogCreator() turns ordinary life down and keeps the rest below an error, without stacks", () => {
  const lines: { level: string; message: string; [field: string]: unknown }[] = [];
  const log = createLog({
    level: "debug",
    format: "json",
    write: (line) => lines.push(JSON.parse(line)),
    now: () => 0,
  });
  const write = kafkaLogCreator(log)();
  const entry = (level: number, message: string) =>
    write({ namespace: "Runner", level, log: { message, stack: "at x", error: "E", retryCount: 2 } });
  entry(logLevel.WARN, "The group is rebalancing, re-joining");
  entry(logLevel.ERROR, "Response Heartbeat(key: 12, version: 3)");
  entry(logLevel.ERROR, "Connection error: connect ECONNREFUSED");
  entry(logLevel.ERROR, "something new");
  entry(logLevel.WARN, "something odd");
  entry(logLevel.INFO, "Pausing fetching from 1 topics");
  assertEquals(lines.map(({ level }) => level), ["info", "debug", "debug", "warn", "debug", "debug"]);
  assertEquals([lines[3]!.message, lines[3]!["retryCount"], lines[3]!["stack"]], [
    "Runner: something new",
    2,
    undefined,
  ]);
  assertStringIncludes(JSON.stringify(lines[3]), '"client":"kafkajs"');
});
