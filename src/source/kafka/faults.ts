// Decides what an error of the Kafka client means for the stream: wait for it to pass, or stop. Pure.
import { messageOf, StreamStopped } from "../../shared/errors.ts";

/** What an error means. `reason` is one line for the log and readiness. */
export type KafkaFault =
  | { readonly kind: "unavailable"; readonly reason: string }
  | { readonly kind: "stopped"; readonly error: StreamStopped };

/** Names used in the texts. */
export interface FaultContext {
  readonly topic: string;
  readonly group: string;
  readonly brokers: readonly string[];
}

/** Broker errors that time or an operator on the broker's side can cure, by Kafka's names. */
const PASSING: Readonly<Record<string, (context: FaultContext) => string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: ({ topic }) =>
    `Topic "${topic}" does not exist: create it (tidemark produce --create-topic --partitions N does)`,
  TOPIC_AUTHORIZATION_FAILED: ({ topic }) => `Not authorised to read topic "${topic}": grant READ and DESCRIBE on it`,
  GROUP_AUTHORIZATION_FAILED: ({ group }) => `Not authorised to use group "${group}": grant READ on it`,
  CLUSTER_AUTHORIZATION_FAILED: () => "Not authorised on the cluster",
  SASL_AUTHENTICATION_FAILED: () => "The broker refused the SASL user name or password",
  UNSUPPORTED_SASL_MECHANISM: () => "The broker does not offer this SASL mechanism: set KAFKA_SASL_MECHANISM",
  ILLEGAL_SASL_STATE: () => "The broker does not expect SASL on this listener",
  INCONSISTENT_GROUP_PROTOCOL: ({ group }) =>
    `Group "${group}" has members of another program: stop them or set another KAFKA_GROUP`,
};

/** Broker errors that no waiting cures. */
const REFUSED: Readonly<Record<string, string>> = {
  INVALID_SESSION_TIMEOUT: "The broker allows no session timeout of 6 s: lower its group.min.session.timeout.ms",
  INVALID_GROUP_ID: "The broker refuses the name of the group: set another KAFKA_GROUP",
  UNSUPPORTED_VERSION: "The broker is too old: use Kafka 2.3 or later",
  GROUP_MAX_SIZE_REACHED: "The group has as many members as the broker allows: raise its group.max.size",
};

/** Reads an error and everything that caused it. */
export function faultOf(error: unknown, context: FaultContext): KafkaFault {
  const chain = causes(error);
  for (const cause of chain) {
    if (cause instanceof StreamStopped) return { kind: "stopped", error: cause };
    const type = textField(cause, "type");
    const passing = type === undefined ? undefined : PASSING[type];
    if (passing !== undefined) return { kind: "unavailable", reason: passing(context) };
    const refused = type === undefined ? undefined : REFUSED[type];
    if (refused !== undefined) return { kind: "stopped", error: refusal(refused, error) };
    if (textField(cause, "name") === "KafkaJSSASLAuthenticationError") {
      return { kind: "unavailable", reason: `SASL authentication failed: ${messageOf(cause)}` };
    }
    if (textField(cause, "name") === "KafkaJSServerDoesNotSupportApiKey") {
      return { kind: "stopped", error: refusal("The broker is too old: use Kafka 2.3 or later", error) };
    }
  }
  const root = chain.at(-1);
  if (root instanceof TypeError || root instanceof ReferenceError || root instanceof SyntaxError) {
    return { kind: "stopped", error: refusal(`The Kafka client failed: ${messageOf(root)}`, error) };
  }
  return { kind: "unavailable", reason: `Kafka (${context.brokers.join(", ")}): ${messageOf(root)}` };
}

function refusal(message: string, cause: unknown): StreamStopped {
  return new StreamStopped("source_refused", message, "Correct the cause and start again.", { cause });
}

/** The error, its cause, that one's cause, and so on; bounded, since foreign errors may refer to themselves. */
function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let at = error; at instanceof Error && chain.length < 10 && !chain.includes(at); at = at.cause) chain.push(at);
  return chain.length === 0 ? [error] : chain;
}

function textField(value: unknown, field: "type" | "name"): string | undefined {
  const text = (value as Record<string, unknown> | null)?.[field];
  return typeof text === "string" ? text : undefined;
}
