// Starts a real single-node Kafka (KRaft) for tests on free loopback ports in a folder of its own. Runs `java`; nothing is left behind.
import { Kafka, logLevel } from "kafkajs";
import { silenceIdleTimers } from "../../src/source/kafka/idle_timers.ts";
import { certificateAuthority } from "./kafka_certificates.ts";
import { exists, KAFKA_INSTALL_HINT, kafkaFolder, type KafkaVersion } from "./kafka_jars.ts";
import { classArchivePath, kafkaJava } from "./kafka_java.ts";
import { signalProcess } from "./process.ts";

/** Options of a broker for tests. */
export interface BrokerOptions {
  readonly version?: KafkaVersion;
  /** Adds listeners with SASL (PLAIN and SCRAM) and TLS beside the plain one. */
  readonly secure?: boolean;
  /** Lines for server.properties, over the defaults. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Port of the plain listener; default: a free one. */
  readonly port?: number;
  /** File for the archive of loaded classes, which `stop` waits for. */
  readonly archive?: string;
}

/** Addresses and credentials of the listeners that `secure` adds. */
export interface SecureListeners {
  readonly saslUrl: string;
  readonly tlsUrl: string;
  readonly saslTlsUrl: string;
  readonly username: string;
  readonly password: string;
  /** Certificate of the test's own authority, PEM. */
  readonly ca: string;
}

/** A running broker. `url` is `host:port` (of a cluster several, with commas) and survives `restart`. */
export interface TestBroker extends AsyncDisposable {
  readonly url: string;
  readonly version: string;
  readonly secure: SecureListeners | null;
  /** Folder of the logs (one folder a partition); `null` for an existing broker. */
  readonly dataFolder: string | null;
  /** Shuts down (SIGTERM, and SIGKILL soon after, since the data is not needed) and deletes the folder. */
  stop(): Promise<void>;
  /** SIGKILL; the data stays for `restart`. */
  kill(): Promise<void>;
  /** SIGSTOP: the broker keeps its connections open and does not answer. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Kills the broker if it still runs, and starts it again on the same ports and data. */
  restart(): Promise<void>;
}

const USERNAME = "tidemark";
const PASSWORD = "tidemark-secret";
/** Three brokers at once take long to start on a busy machine. */
const READY_MS_MAX = 150_000;

silenceIdleTimers(); // kafkajs' own clients print a warning without it

/**
 * Starts a broker and waits until it answers. With `KAFKA_TEST_URL` it uses that broker, and `kill`, `pause` and the like throw.
 *
 * @throws Error that says what to install if Java or the jars are missing
 */
export async function startBroker(options: BrokerOptions = {}): Promise<TestBroker> {
  const existing = Deno.env.get("KAFKA_TEST_URL");
  if (existing && !options.secure && !options.properties) return existingBroker(existing);
  const version = options.version ?? "4.1.0";
  const java = await kafkaJava(version);
  const folder = await Deno.makeTempDir({ prefix: "tidemark-kafka-" });
  const ports = freePorts(5);
  const plain = options.port ?? ports[0]!;
  const [, controller, sasl, tls, saslTls] = ports as [number, number, number, number, number];
  const listeners = [["PLAINTEXT", plain], ["CONTROLLER", controller]] as [string, number][];
  let secure: SecureListeners | null = null;
  let security: Record<string, string> = {};
  if (options.secure) {
    const authority = await certificateAuthority(folder);
    listeners.push(["SASL_PLAINTEXT", sasl], ["SSL", tls], ["SASL_SSL", saslTls]);
    secure = {
      saslUrl: `127.0.0.1:${sasl}`,
      tlsUrl: `127.0.0.1:${tls}`,
      saslTlsUrl: `127.0.0.1:${saslTls}`,
      username: USERNAME,
      password: PASSWORD,
      ca: authority.caPem,
    };
    security = { ...saslProperties(), ...authority.properties };
  }
  const properties: Record<string, string> = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    listeners: listeners.map(([name, port]) => `${name}://127.0.0.1:${port}`).join(","),
    "advertised.listeners": listeners.filter(([name]) => name !== "CONTROLLER")
      .map(([name, port]) => `${name}://127.0.0.1:${port}`).join(","),
    "listener.security.protocol.map":
      "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": `${folder}/data`,
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    // A killed broker can register again only after its old session has ended. A short session saves ten seconds a restart.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "300",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "auto.create.topics.enable": "true",
    "log.retention.ms": "-1",
    "log.segment.delete.delay.ms": "100",
    "log.retention.check.interval.ms": "500",
    "log.cleaner.backoff.ms": "500",
    ...security,
    ...options.properties,
  };
  const file = `${folder}/server.properties`;
  await Deno.writeTextFile(file, Object.entries(properties).map(([k, v]) => `${k}=${v}\n`).join(""));
  await formatStorage({ java, file, scram: options.secure ?? false, id: newClusterId() });
  const url = `127.0.0.1:${plain}`;
  const archiving = options.archive === undefined ? [] : [`-XX:ArchiveClassesAtExit=${options.archive}`];
  let server = await launch([...archiving, ...java], folder, url);
  let stopped = false;
  const removeOnExit = () => server.signal("SIGKILL");
  globalThis.addEventListener("unload", removeOnExit);
  const broker: TestBroker = {
    url,
    version,
    secure,
    dataFolder: `${folder}/data`,
    async stop() {
      if (stopped) return;
      stopped = true;
      server.signal("SIGCONT");
      server.signal("SIGTERM");
      const deadline = setTimeout(() => server.signal("SIGKILL"), options.archive === undefined ? 1_500 : READY_MS_MAX);
      await server.ended;
      clearTimeout(deadline);
      globalThis.removeEventListener("unload", removeOnExit);
      await Deno.remove(folder, { recursive: true });
    },
    async kill() {
      server.signal("SIGKILL");
      await server.ended;
    },
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    async restart() {
      server.signal("SIGKILL");
      await server.ended;
      server = await launch(java, folder, url);
    },
    [Symbol.asyncDispose]: () => broker.stop(),
  };
  return broker;
}

/** Makes the archive that `kafkaJava` names, unless it is there; `onMake` is called before it is made. */
export async function makeClassArchive(version: KafkaVersion, onMake: () => void): Promise<void> {
  const archive = await classArchivePath(version);
  if (await exists(archive)) return;
  onMake();
  const making = `${kafkaFolder(version)}/making-${crypto.randomUUID()}.jsa`;
  const broker = await startBroker({ version, archive: making });
  await broker.stop();
  // A Java without an archive of its own classes makes none: brokers start without.
  if (await exists(making)) await Deno.rename(making, archive);
}

/** A kafkajs client of the plain listener that logs nothing. */
export function brokerClient(broker: TestBroker): Kafka {
  return new Kafka({
    brokers: broker.url.split(","),
    clientId: "tidemark-test",
    logLevel: logLevel.NOTHING,
    retry: { retries: 8, initialRetryTime: 100, maxRetryTime: 1000 },
  });
}

/** A running JVM. */
export interface Server {
  readonly ended: Promise<unknown>;
  signal(name: Deno.Signal): void;
}

// The shell watches its standard input, so that the JVM ends with the test process even if that is ended by SIGKILL.
const WATCHED_JAVA = `exec 3<&0; java "$@" </dev/null >/dev/null 2>>"$LOG.err" & p=$!; echo $p
(cat <&3 >/dev/null; kill -9 $p 2>/dev/null) & wait $p`;

/** Starts a formatted broker by `java` and waits until it answers on `url`; `within` = words before the command, e.g. to run it on another host. */
export async function launch(
  java: readonly string[],
  folder: string,
  url: string,
  within: readonly string[] = [],
): Promise<Server> {
  const log = `${folder}/server.log`;
  const [command = "sh", ...before] = [...within, "sh"];
  const child = new Deno.Command(command, {
    args: [
      ...before,
      "-c",
      WATCHED_JAVA,
      "sh",
      "-Xmx512m",
      "-Xms128m",
      `-Dorg.slf4j.simpleLogger.logFile=${log}`,
      ...java,
      "kafka.Kafka",
      `${folder}/server.properties`,
    ],
    env: { LOG: log },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const first = await reader.read();
  const pid = Number(new TextDecoder().decode(first.value).trim());
  let running = Number.isInteger(pid);
  const ended = child.status.then(async () => {
    running = false;
    await reader.cancel();
    await child.stdin.close();
  });
  const server: Server = {
    ended,
    signal: (name) => {
      // The shell around the server may end a moment later; that it is gone already is not an error.
      if (running) signalProcess(pid, name);
    },
  };
  const deadline = Date.now() + READY_MS_MAX;
  while (!await answers(url)) {
    if (!running || Date.now() > deadline) {
      server.signal("SIGKILL");
      const read = async (path: string) => (await Deno.readTextFile(path).catch(() => "")).slice(-3000);
      throw new Error(`Kafka did not start on ${url}\n${await read(log)}${await read(`${log}.err`)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return server;
}

async function answers(url: string): Promise<boolean> {
  const [hostname, port] = url.split(":") as [string, string];
  try {
    (await Deno.connect({ hostname, port: Number(port) })).close();
  } catch {
    return false; // not listening yet: asked again
  }
  const admin = new Kafka({ brokers: [url], logLevel: logLevel.NOTHING, retry: { retries: 0 } }).admin();
  try {
    await admin.connect();
    const { brokers, controller } = await admin.describeCluster();
    return brokers.length > 0 && controller !== null;
  } catch {
    return false; // listening, but not yet registered with its controller
  } finally {
    await admin.disconnect();
  }
}

/** An id for a new cluster. */
export const newClusterId = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    .replaceAll("+", "A").replaceAll("/", "B").replace("==", "").replace(/^-/, "C");

/** Makes the log folders that a properties file names. */
export async function formatStorage(
  { java, file, scram, id }: {
    readonly java: readonly string[];
    readonly file: string;
    readonly scram: boolean;
    readonly id: string;
  },
): Promise<void> {
  const users = ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => [
    "--add-scram",
    `${mechanism}=[name=${USERNAME},password=${PASSWORD}]`,
  ]);
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command("java", {
      args: [
        ...java,
        "kafka.tools.StorageTool",
        "format",
        "-t",
        id,
        "-c",
        file,
        ...(scram ? users : []),
      ],
      stdout: "piped",
      stderr: "piped",
    }).output();
  } catch (cause) {
    throw new Error(`Cannot run Java: ${KAFKA_INSTALL_HINT}`, { cause });
  }
  if (!output.success) {
    throw new Error(`Kafka storage could not be formatted:\n${new TextDecoder().decode(output.stderr).slice(-3000)}`);
  }
}

function saslProperties(): Record<string, string> {
  const plain = "org.apache.kafka.common.security.plain.PlainLoginModule required " +
    `username="${USERNAME}" password="${PASSWORD}" user_${USERNAME}="${PASSWORD}";`;
  const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
  const properties: Record<string, string> = {
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
  };
  for (const listener of ["sasl_plaintext", "sasl_ssl"]) {
    properties[`listener.name.${listener}.plain.sasl.jaas.config`] = plain;
    // Takes unsigned tokens: no identity provider is needed.
    properties[`listener.name.${listener}.oauthbearer.sasl.jaas.config`] =
      'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";';
    properties[`listener.name.${listener}.scram-sha-256.sasl.jaas.config`] = scram;
    properties[`listener.name.${listener}.scram-sha-512.sasl.jaas.config`] = scram;
  }
  return properties;
}

export function freePorts(count: number): number[] {
  const held = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = held.map((listener) => listener.addr.port);
  for (const listener of held) listener.close();
  return ports;
}

function existingBroker(url: string): TestBroker {
  const refuse = () => {
    throw new Error("This test stops and starts its broker: unset KAFKA_TEST_URL to run it");
  };
  return {
    url,
    version: "given by KAFKA_TEST_URL",
    secure: null,
    dataFolder: null,
    stop: () => Promise.resolve(),
    kill: refuse,
    pause: refuse,
    resume: refuse,
    restart: refuse,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
