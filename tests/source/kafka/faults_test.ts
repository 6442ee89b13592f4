import { assertEquals, assertStringIncludes } from "@std/assert";
import { StreamStopped } from "../../../src/shared/errors.ts";
import { faultOf } from "../../../src/source/kafka/faults.ts";
import { errorOfCode } from "../../../src/source/kafka/internals.ts";

const context = { topic: "t", group: "g", brokers: ["a:1", "b:2"] };
const reason = (error: unknown) => {
  const fault = faultOf(error, context);
  return fault.kind === "unavailable" ? fault.reason : `stopped: ${fault.error.code} ${fault.error.message}`;
};

Deno.test("faultOf() says what to do about broker errors that can pass, by Kafka's error codes", () => {
  const cases: readonly [code: number, text: string][] = [
    [3, 'Topic "t" does not exist'],
    [29, 'Not authorised to read topic "t"'],
    [30, 'Not authorised to use group "g"'],
    [58, "refused the SASL user name"],
    [23, "members of another program"],
  ];
  for (const [code, text] of cases) assertStringIncludes(reason(errorOfCode(code)), text, `code ${code}`);
});

Deno.test("faultOf() stops for what no waiting cures", () => {
  for (const code of [24, 26, 35, 81]) {
    assertStringIncludes(reason(errorOfCode(code)), "stopped: source_refused", `code ${code}`);
  }
  assertStringIncludes(
    reason(new TypeError("x is not a function")),
    "stopped: source_refused The Kafka client failed: x is not",
  );
});

Deno.test("faultOf() reads through the errors that kafkajs wraps around the cause", () => {
  const wrapped = new Error("retries exceeded", { cause: new Error("other", { cause: errorOfCode(3) }) });
  assertStringIncludes(reason(wrapped), "does not exist");
  const stopped = new StreamStopped("source_refused", "too old", "upgrade");
  assertEquals(reason(new Error("outer", { cause: stopped })), "stopped: source_refused too old");
});

Deno.test("faultOf() names the brokers where nothing else is known, and survives odd values", () => {
  assertEquals(reason(new Error("connect ECONNREFUSED")), "Kafka (a:1, b:2): connect ECONNREFUSED");
  assertEquals(reason("text"), "Kafka (a:1, b:2): text");
  const loop = new Error("loop");
  loop.cause = loop;
  assertStringIncludes(reason(loop), "loop");
  assertStringIncludes(reason(null), "null");
});
