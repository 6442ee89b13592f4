// Decides what an error of the Kafka client means for the stream: wait, or stop. Each error has one name, one wording and one action. Pure.
import { messageOf, StreamStopped, Unavailable } from "../../shared/errors.ts";

type KafkaFault =
  | { readonly kind: "unavailable"; readonly error: Unavailable }
  | { readonly kind: "stopped"; readonly error: StreamStopped };

/** Names for the texts, and properties of the connection. */
export interface FaultContext {
  readonly topic: string;
  readonly group: string;
  readonly brokers: readonly string[];
  readonly tls?: boolean;
  readonly sasl?: boolean;
  /** The login is a token. */
  readonly token?: boolean;
  /** No answer came over the connection yet. A broker that closes it then may expect another security protocol. */
  readonly fresh?: boolean;
}

interface Passing {
  /** Name of the error; its entry is in docs/runbook.md. */
  readonly code: string;
  /** What happened: one line for the log and readiness. */
  readonly reason: string;
  readonly action: string;
}

/** Broker errors that may pass, or that an operator of the brokers can correct, by Kafka's names. */
const PASSING: Readonly<Record<string, (context: FaultContext) => Passing>> = {
  UNKNOWN_TOPIC_OR_PARTITION: ({ topic }) => ({
    code: "no_topic",
    reason: `Topic "${topic}" does not exist, or this user may not see it`,
    action: "Create it (`tidemark produce --create-topic --partitions N` does), or grant DESCRIBE and READ on it.",
  }),
  TOPIC_AUTHORIZATION_FAILED: ({ topic }) => ({
    code: "kafka_rights",
    reason: `Not authorised for topic "${topic}"`,
    action: "Grant this user READ and DESCRIBE on the topic; `tidemark produce` needs WRITE.",
  }),
  GROUP_AUTHORIZATION_FAILED: ({ group }) => ({
    code: "kafka_rights",
    reason: `Not authorised for consumer group "${group}"`,
    action: "Grant this user READ on the group, or set a KAFKA_GROUP that it may use.",
  }),
  CLUSTER_AUTHORIZATION_FAILED: () => ({
    code: "kafka_rights",
    reason: "Not authorised on the cluster",
    action: "Grant this user IDEMPOTENT_WRITE on the cluster (brokers before Kafka 2.8), or WRITE on the topic.",
  }),
  SASL_AUTHENTICATION_FAILED: () => ({ ...LOGIN, reason: "The broker refused the login" }),
  UNSUPPORTED_SASL_MECHANISM: () => ({ ...MECHANISM, reason: "The broker does not offer this SASL mechanism" }),
  // A refused token shows at the next request, because the client does not read the broker's answer to it (RFC 7628, section 3.2.2).
  ILLEGAL_SASL_STATE: ({ token }) =>
    token ? { ...LOGIN, reason: "The broker refused the token (OAUTHBEARER)" } : ({
      code: "kafka_security_mismatch",
      reason: "The broker does not expect a login on this listener",
      action: "Set KAFKA_SASL_MECHANISM=none, or use the port of the broker's SASL listener in KAFKA_URL.",
    }),
  INCONSISTENT_GROUP_PROTOCOL: ({ group }) => groupShared(group, ["whose protocol differs from Tidemark's"]),
};

const LOGIN = {
  code: "kafka_login",
  action: "Check KAFKA_SASL_MECHANISM and its user name, password or token against the broker's users.",
};
const MECHANISM = { ...LOGIN, action: "Set KAFKA_SASL_MECHANISM to one that the broker's listener offers." };

/** Other programs are members of the group: records of the partitions they get are never counted here. */
export function groupShared(group: string, strangers: readonly string[]): Passing {
  return {
    code: "group_shared",
    reason: `Group "${group}" has members of another program: ${strangers.join(", ")}`,
    action: "Stop them, or give Tidemark a KAFKA_GROUP of its own. No position is lost: positions are in the database.",
  };
}

/** Broker errors that do not pass. */
const REFUSED: Readonly<Record<string, string>> = {
  INVALID_SESSION_TIMEOUT: "The broker allows no session timeout of 6 s: lower its group.min.session.timeout.ms",
  INVALID_GROUP_ID: "The broker refuses the name of the group: set another KAFKA_GROUP",
  UNSUPPORTED_VERSION: "The broker is too old: use Kafka 2.3 or later",
  GROUP_MAX_SIZE_REACHED: "The group has as many members as the broker allows: raise its group.max.size",
};

/** Judges an error by its whole chain of causes. */
export function faultOf(error: unknown, context: FaultContext): KafkaFault {
  const chain = causes(error);
  for (const cause of chain) {
    if (cause instanceof StreamStopped) return { kind: "stopped", error: cause };
    if (cause instanceof Unavailable) return { kind: "unavailable", error: cause };
    const type = textField(cause, "type");
    const refused = type === undefined ? undefined : REFUSED[type];
    if (refused !== undefined) return { kind: "stopped", error: refusal(refused, error) };
    if (textField(cause, "name") === "KafkaJSServerDoesNotSupportApiKey") {
      return { kind: "stopped", error: refusal("The broker is too old: use Kafka 2.3 or later", error) };
    }
    const passing = (type === undefined ? undefined : PASSING[type]?.(context)) ?? connectionFault(cause, context);
    if (passing !== null) return unavailable(passing, error);
  }
  const root = chain.at(-1);
  if (root instanceof TypeError || root instanceof ReferenceError || root instanceof SyntaxError) {
    return { kind: "stopped", error: refusal(`The Kafka client failed: ${messageOf(root)}`, error) };
  }
  return unavailable({
    code: "kafka_unavailable",
    reason: `Kafka (${context.brokers.join(", ")}): ${messageOf(root)}`,
    action: "Start the broker, or correct KAFKA_URL.",
  }, error);
}

/** Faults of the connection to the broker, recognised by the client's texts and the system's codes. */
function connectionFault(cause: unknown, { brokers, tls, sasl, fresh }: FaultContext): Passing | null {
  const name = textField(cause, "name") ?? "", code = textField(cause, "code") ?? "", text = messageOf(cause);
  if (name === "KafkaJSSASLAuthenticationError") {
    const offered = /mechanism is not supported/.test(text);
    return { ...(offered ? MECHANISM : LOGIN), reason: `The broker refused the login: ${text}` };
  }
  if (/\b(ENOTFOUND|EAI_AGAIN|EAI_NONAME)\b/.test(`${code} ${text}`)) {
    const host = /(?:ENOTFOUND|EAI_AGAIN|EAI_NONAME) (\S+)/.exec(text)?.[1] ?? "of a broker";
    const given = brokers.some((broker) => broker.replace(/:\d+$/, "") === host);
    return {
      code: "kafka_address_unknown",
      reason: `The host name ${host} cannot be resolved from here${given ? "" : ": the brokers advertise it"}`,
      action: given
        ? "Correct KAFKA_URL, or the name service of this machine."
        : "Set advertised.listeners on the brokers to names that clients can resolve, or make the name known here.",
    };
  }
  if (/certificate|CERT_|altnames|ERR_TLS/i.test(`${code} ${text}`)) {
    return {
      code: "kafka_certificate",
      reason: `The broker's certificate is not accepted: ${text.replace(/^Connection error: /, "")}`,
      action: "Set KAFKA_TLS_CA_FILE to the authority that signed it, and use a name that it holds in KAFKA_URL.",
    };
  }
  if (tls && /before secure TLS connection|wrong version number|InvalidContentType|not.*TLS/i.test(text)) {
    return {
      code: "kafka_security_mismatch",
      reason: "The broker does not speak TLS on this port, or ended the handshake",
      action: "Set KAFKA_TLS=false, or use the port of the broker's TLS listener in KAFKA_URL.",
    };
  }
  if (fresh && name === "KafkaJSConnectionClosedError") {
    const expected = [...(tls ? [] : ["TLS (KAFKA_TLS=true)"]), ...(sasl ? [] : ["a login (KAFKA_SASL_MECHANISM)"])];
    if (expected.length === 0) return null;
    return {
      code: "kafka_security_mismatch",
      reason: "The broker closed the connection at the first request",
      action: `Its listener may expect ${expected.join(" or ")}. If it does not, read the broker's log.`,
    };
  }
  return null;
}

function unavailable({ code, reason, action }: Passing, cause: unknown): KafkaFault {
  return { kind: "unavailable", error: new Unavailable(code, reason, action, { cause }) };
}

function refusal(message: string, cause: unknown): StreamStopped {
  return new StreamStopped("source_refused", message, "Correct the cause and start again.", { cause });
}

/** The error and its chain of causes; bounded, because errors of a library may refer to themselves. */
function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let at = error; at instanceof Error && chain.length < 10 && !chain.includes(at); at = at.cause) chain.push(at);
  return chain.length === 0 ? [error] : chain;
}

function textField(value: unknown, field: "type" | "name" | "code"): string | undefined {
  const text = (value as Record<string, unknown> | null)?.[field];
  return typeof text === "string" ? text : undefined;
}
