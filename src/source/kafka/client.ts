// Makes kafkajs clients from settings: addresses, TLS, SASL, time limits, log. Shell: its clients connect when they are used.
import { Kafka, type KafkaConfig, logLevel, type RetryOptions, type SASLOptions } from "kafkajs";
import { UsageError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import type { FaultContext } from "./faults.ts";
import { framedSocketFactory } from "./frames.ts";
import { Cluster, createLogger } from "./internals.ts";
import { silenceIdleTimers } from "./idle_timers.ts";
import { kafkaLogCreator } from "./log.ts";
import { tokenProvider, type TokenSource } from "./oauth.ts";

/** SASL mechanisms with a user name and a password. */
const SASL_PASSWORD_MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512"] as const;

type KafkaLogin =
  | {
    readonly mechanism: typeof SASL_PASSWORD_MECHANISMS[number];
    readonly username: string;
    readonly password: string;
  }
  | { readonly mechanism: "oauthbearer"; readonly token: TokenSource };

/** How to reach the brokers. Texts are contents, never paths. */
export interface KafkaConnection {
  /** `host:port` of one or more brokers; they name the others. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** `null` = no TLS. */
  readonly tls: KafkaTls | null;
  readonly sasl: KafkaLogin | null;
}

/** Certificates in PEM. `null`: the runtime's authorities, and no client certificate. */
interface KafkaTls {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** Whether the broker's certificate and name are checked. `false` is for tests only. */
  readonly verify: boolean;
}

/** The context in which errors of this connection are explained. */
export function faultContext(
  { topic, group, connection }: {
    readonly topic: string;
    readonly group: string;
    readonly connection: KafkaConnection;
  },
  { fresh = false }: { readonly fresh?: boolean } = {},
): FaultContext {
  const { brokers, tls, sasl } = connection;
  return {
    topic,
    group,
    brokers,
    tls: tls !== null,
    sasl: sasl !== null,
    token: sasl?.mechanism === "oauthbearer",
    fresh,
  };
}

/** Limit for a TCP or TLS connection. kafkajs' one second is short for TLS over a wide network. */
const CONNECT_MS_MAX = 5_000;
/** Limit for a broker's answer. kafkajs raises it for requests that wait on purpose (join, fetch). */
const REQUEST_MS_MAX = 10_000;

/**
 * A few quick tries; our own loops repeat and report what fails for longer. Joining uses the same numbers, and a storm of rebalances must
 * not use them up at once: six tries last about 3.5 s.
 */
const RETRY: RetryOptions = { initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2, factor: 0.2, retries: 6 };

/** A client for producing, consuming and administration. Does not connect yet. @throws UsageError if the settings cannot work */
export function createKafka(connection: KafkaConnection, log: Log): Kafka {
  return new Kafka(clientConfig(connection, log));
}

/**
 * The cluster object below kafkajs' clients, for requests that they do not offer. It reads log ends regardless of open transactions.
 */
export function createCluster(connection: KafkaConnection, log: Log): Cluster {
  const { logCreator, logLevel: level, ...config } = clientConfig(connection, log);
  return new Cluster({
    ...config,
    logger: createLogger({ level: level ?? logLevel.INFO, logCreator }),
    retry: { ...RETRY, retries: 2 },
    metadataMaxAge: 5_000,
    allowAutoTopicCreation: false,
    isolationLevel: 0,
  });
}

function clientConfig({ brokers, clientId, tls, sasl }: KafkaConnection, log: Log): KafkaConfig {
  const problems: string[] = [];
  if (brokers.length === 0) problems.push("No Kafka broker is given");
  if (tls !== null && (tls.cert === null) !== (tls.key === null)) {
    problems.push("A Kafka client certificate needs both its certificate and its key");
  }
  if (sasl !== null && sasl.mechanism !== "oauthbearer" && (sasl.username === "" || sasl.password === "")) {
    problems.push("KAFKA_SASL_MECHANISM needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD");
  }
  if (problems.length > 0) throw new UsageError(problems);
  silenceIdleTimers();
  return {
    brokers: [...brokers],
    clientId,
    connectionTimeout: CONNECT_MS_MAX,
    authenticationTimeout: CONNECT_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    retry: RETRY,
    logLevel: logLevel.INFO,
    logCreator: kafkaLogCreator(log),
    socketFactory: framedSocketFactory(),
    ...(tls === null ? {} : {
      ssl: {
        rejectUnauthorized: tls.verify,
        ...(tls.ca === null ? {} : { ca: [tls.ca] }),
        ...(tls.cert === null || tls.key === null ? {} : { cert: tls.cert, key: tls.key }),
      },
    }),
    ...(sasl === null ? {} : { sasl: saslOptions(sasl) }),
  };
}

function saslOptions(login: KafkaLogin): SASLOptions {
  return login.mechanism === "oauthbearer"
    ? { mechanism: "oauthbearer", oauthBearerProvider: tokenProvider(login.token) }
    // kafkajs has a type for each mechanism; those with a password have the same shape.
    : { ...login, mechanism: login.mechanism as "plain" };
}
