import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { StreamStopped } from "../../../src/shared/errors.ts";
import { type FaultContext, faultOf } from "../../../src/source/kafka/faults.ts";
import { errorOfCode } from "../../../src/source/kafka/internals.ts";

const context = { topic: "t", group: "g", brokers: ["a:1", "b:2"] };
const reason = (error: unknown) => {
  const fault = faultOf(error, context);
  return fault.kind === "unavailable" ? fault.error.message : `stopped: ${fault.error.code} ${fault.error.message}`;
};

Deno.test("faultOf() says what to do about broker errors that can pass, by Kafka's error codes", () => {
  const cases: readonly [code: number, text: string][] = [
    [3, 'Topic "t" does not exist'],
    [29, 'Not authorised for topic "t"'],
    [30, 'Not authorised for consumer group "g"'],
    [58, "refused the login"],
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

Deno.test("faultOf() names what is between us and the broker, with what to set", () => {
  const closed = Object.assign(new Error("Closed connection"), { name: "KafkaJSConnectionClosedError" });
  const connection = (text: string) =>
    Object.assign(new Error(`Connection error: ${text}`), { name: "KafkaJSConnectionError" });
  const login = (text: string) => Object.assign(new Error(text), { name: "KafkaJSSASLAuthenticationError" });
  const cases: readonly [unknown, Partial<FaultContext>, code: string, action: RegExp][] = [
    [closed, { fresh: true }, "kafka_security_mismatch", /KAFKA_TLS=true.*KAFKA_SASL_MECHANISM/],
    [closed, { fresh: true, tls: true }, "kafka_security_mismatch", /expect a login/],
    [closed, { fresh: true, tls: true, sasl: true }, "kafka_unavailable", /Start the broker/],
    [closed, {}, "kafka_unavailable", /Start the broker/],
    [
      connection("Client network socket disconnected before secure TLS connection was established"),
      { tls: true },
      "kafka_security_mismatch",
      /KAFKA_TLS=false/,
    ],
    [errorOfCode(34), { sasl: true, token: true }, "kafka_login", /token against/],
    [errorOfCode(34), { sasl: true }, "kafka_security_mismatch", /KAFKA_SASL_MECHANISM=none/],
    [
      connection("self-signed certificate in certificate chain"),
      { tls: true },
      "kafka_certificate",
      /KAFKA_TLS_CA_FILE/,
    ],
    [connection("getaddrinfo ENOTFOUND a"), {}, "kafka_address_unknown", /Correct KAFKA_URL/],
    [connection("getaddrinfo ENOTFOUND kafka-0.inner"), {}, "kafka_address_unknown", /advertised\.listeners/],
    [
      login("SASL SCRAM-SHA-256 mechanism is not supported by the server"),
      {},
      "kafka_login",
      /KAFKA_SASL_MECHANISM to one/,
    ],
    [login("SASL PLAIN authentication failed"), {}, "kafka_login", /user name, password or token/],
    [errorOfCode(30), {}, "kafka_rights", /READ on the group/],
    [errorOfCode(23), {}, "group_shared", /KAFKA_GROUP of its own/],
  ];
  for (const [error, over, code, action] of cases) {
    const fault = faultOf(new Error("retries exceeded", { cause: error }), { ...context, ...over });
    assertEquals(fault.error.code, code, fault.error.message);
    assertMatch(fault.error.action, action);
  }
});
