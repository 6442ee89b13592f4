// `tidemark produce FILE…|-`: sends event files and access logs to Kafka. Wires files, standard input and the producer.
import { type Admin, type Kafka, Partitioners } from "kafkajs";
import { boolean, duration, integer, kindBy, oneOf, text } from "../../shared/config/kinds.ts";
import { EXIT, type ExitCode, messageOf, NamedError, Unavailable, UsageError } from "../../shared/errors.ts";
import { durationMs, HOUR, SECOND } from "../../shared/units.ts";
import { openContent, streamContent } from "../../source/file/content.ts";
import { createKafka } from "../../source/kafka/client.ts";
import { type CommandContext, defineCommand, flag } from "../command.ts";
import { produceDemo } from "./produce_demo.ts";
import { type ProduceCounts, type ProduceInput, produceInputs } from "./produce_inputs.ts";
import type { OutMessage } from "./produce_message.ts";
import { kafkaConnection } from "../../app/sources.ts";

/** How often the line on a terminal changes, in ms. */
const PROGRESS_EVERY = 250;
/** Pause between tries to reach an absent broker. */
const RETRY_EVERY = durationMs(2 * SECOND);

const flags = {
  rate: flag(
    kindBy("<n>/s", "records per second above 0, such as 500/s", (written) => {
      const match = /^(\d+(?:\.\d+)?)(?:\/s)?$/.exec(written);
      return match && Number(match[1]) > 0 ? { value: Number(match[1]) } : undefined;
    }),
    { doc: "Send at most this many records a second. Default: as fast as the broker takes them." },
  ),
  host: flag(text("<host>", 255), { doc: "Host of access-log lines that have no virtual-host column." }),
  key: flag(oneOf("none", "host", "ip"), {
    default: "none",
    doc: "What decides a record's partition; none spreads them evenly.",
  }),
  demo: flag(boolean, {
    doc: "Send demo traffic as it comes, until stopped, instead of files; --rate is its mean [20/s].",
  }),
  topic: flag(text("<topic>", 249), { doc: "Topic to send to. Default: KAFKA_TOPIC." }),
  "create-topic": flag(boolean, { doc: "Create the topic where it is missing." }),
  partitions: flag(integer(1, 100_000), { default: "1", doc: "Partitions of a topic that is created." }),
  wait: flag(duration(0, HOUR), { default: "60s", doc: "How long to wait for an absent broker." }),
};

export const command = defineCommand({
  usage: "FILE…|- | --demo",
  description:
    "Inputs are NDJSON events or access logs, told apart line by line, plain or gzip; - is standard input. Lines in no known " +
    "format are counted and not sent, and end the command with exit code 6. The record time is never taken from the event.",
  groups: ["kafka", "process"],
  flags,
  run: (args, context) => produceCommand(args, context),
});

/** Runs `tidemark produce`. @throws {UsageError} for arguments; {Unavailable} where the broker is absent; what reading a file throws */
export async function produceCommand(
  args: readonly string[],
  context: CommandContext<typeof flags>,
): Promise<ExitCode> {
  const { clock, log, progress, settings, signal } = context;
  const topic = context.flags.topic ?? settings.KAFKA_TOPIC;
  const inputs = context.flags.demo ? [] : await inputsOf(args, signal);
  const kafka = createKafka(kafkaConnection(settings), log);
  await withBroker(context, () => prepareTopic(kafka, topic, context));

  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
    // The client repeats a request under its sequence number, which doubles nothing; a repetition of ours would.
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 8 + Math.ceil(context.flags.wait / 1000) },
  });
  await withBroker(context, () => producer.connect());
  const started = clock.now();
  let counts: ProduceCounts | undefined;
  let shownAt = -Infinity;
  try {
    const shared = {
      rate: context.flags.rate,
      clock,
      signal,
      send: (messages: readonly OutMessage[]) => send(producer, topic, messages),
      onProgress: (now: ProduceCounts) => {
        counts = now;
        if (clock.now() - shownAt < PROGRESS_EVERY) return;
        shownAt = clock.now();
        progress(`${now.sent} records${rateText(now.sent, clock.now() - started)}`);
      },
    };
    const rules = { key: context.flags.key, defaultHost: context.flags.host ?? settings.FILE_HOST };
    if (context.flags.demo) await produceDemo(shared);
    else await produceInputs({ ...shared, inputs, rules, log });
  } catch (error) {
    progress("");
    summary(counts, topic, clock.now() - started, context);
    throw error instanceof NamedError ? error : stopped(error);
  } finally {
    await producer.disconnect();
  }
  progress("");
  return summary(counts, topic, clock.now() - started, context);
}

async function inputsOf(args: readonly string[], signal: AbortSignal): Promise<readonly ProduceInput[]> {
  if (args.length === 0) {
    throw new UsageError(["produce needs at least one file, or - for standard input."], "tidemark produce FILE…|-");
  }
  const problems: string[] = [];
  for (const path of args.filter((arg) => arg !== "-")) {
    try {
      if (!(await Deno.stat(path)).isFile) problems.push(`${path} is not a file.`);
    } catch (error) {
      problems.push(`Cannot read ${path}: ${messageOf(error)}`);
    }
  }
  if (args.filter((arg) => arg === "-").length > 1) problems.push("Standard input can be read only once.");
  if (problems.length > 0) throw new UsageError(problems, "Check the paths.", "no_file");
  return args.map((path) => ({
    name: path,
    open: () => path === "-" ? streamContent(standardInput(signal)) : openContent(path, 0),
  }));
}

/** Standard input, which ends when `signal` aborts: a terminal or pipe may never end by itself. */
async function* standardInput(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = Deno.stdin.readable.getReader();
  const stop = () => void reader.cancel();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (let read = await reader.read(); !read.done && !signal.aborted; read = await reader.read()) yield read.value;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function prepareTopic(kafka: Kafka, topic: string, context: CommandContext<typeof flags>): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    if (await hasTopic(admin, topic)) return;
    if (!context.flags["create-topic"]) {
      throw new UsageError(
        [`There is no topic ${topic}.`],
        "Create it, or add --create-topic --partitions N.",
        "no_topic",
      );
    }
    await admin.createTopics({
      // The broker stamps the records, so that a replay judges every event the same; replicas are the broker's default.
      topics: [{
        topic,
        numPartitions: context.flags.partitions,
        configEntries: [{ name: "message.timestamp.type", value: "LogAppendTime" }],
      }],
      waitForLeaders: true,
    });
    context.log.info("topic created", { topic, partitions: context.flags.partitions });
  } finally {
    await admin.disconnect();
  }
}

/** The list of topics is asked for, since asking for one by its name may create it. */
async function hasTopic(admin: Admin, topic: string): Promise<boolean> {
  return (await admin.listTopics()).includes(topic);
}

/** Tries again while the broker is absent, for as long as `--wait` says. @throws {Unavailable} */
async function withBroker(context: CommandContext<typeof flags>, work: () => Promise<void>): Promise<void> {
  const { clock, log, signal } = context;
  const deadline = clock.now() + context.flags.wait;
  while (true) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof NamedError) throw error;
      const reason = messageOf(error);
      if (clock.now() >= deadline || signal.aborted) {
        throw new Unavailable(
          "kafka_unavailable",
          `Kafka does not answer: ${reason}`,
          "Check KAFKA_URL and that the broker runs.",
          {
            cause: error,
          },
        );
      }
      log.warn("Kafka does not answer; trying again", { reason });
      await clock.sleep(RETRY_EVERY, signal);
    }
  }
}

async function send(
  producer: ReturnType<Kafka["producer"]>,
  topic: string,
  messages: readonly OutMessage[],
): Promise<void> {
  await producer.send({ topic, acks: -1, messages: [...messages] });
}

function stopped(error: unknown): Unavailable {
  return new Unavailable(
    "produce_stopped",
    `Sending stopped: ${messageOf(error)}`,
    "The records counted above are stored; of the last batch none, some or all may be. Look at the broker before sending the rest.",
    { cause: error },
  );
}

/** The last line, and the exit code that it means. */
function summary(
  counts: ProduceCounts | undefined,
  topic: string,
  elapsed: number,
  context: CommandContext<typeof flags>,
): ExitCode {
  const { sent, bytes, unsent } = counts ?? { sent: 0, bytes: 0, unsent: { bad_line: 0, too_large: 0 } };
  const left = Object.entries(unsent).filter(([, lines]) => lines > 0).map(([reason, lines]) => `${reason} ${lines}`);
  context.out(
    `${context.signal.aborted ? "Stopped: sent" : "Sent"} ${sent} records (${bytes} bytes) to ${topic} in ${
      (elapsed / 1000).toFixed(1)
    } s` +
      `${rateText(sent, elapsed)}${left.length > 0 ? `; lines not sent: ${left.join(", ")}` : ""}`,
  );
  return left.length > 0 ? EXIT.findings : EXIT.ok;
}

function rateText(records: number, elapsed: number): string {
  return elapsed < 500 ? "" : `, ${Math.round(records / elapsed * 1000)}/s`;
}
