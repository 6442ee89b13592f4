// `tidemark produce FILE…|-`: sends event files and access logs to Kafka. Wires files, standard input and the producer.
import type { Admin, Kafka } from "kafkajs";
import { boolean, duration, formatDuration, integer, kindBy, oneOf, text } from "../../shared/config/kinds.ts";
import { EXIT, type ExitCode, messageOf, NamedError, Unavailable, UsageError } from "../../shared/errors.ts";
import { durationMs, HOUR, SECOND } from "../../shared/units.ts";
import { createKafka, faultContext } from "../../source/kafka/client.ts";
import { faultOf } from "../../source/kafka/faults.ts";
import { type CommandContext, defineCommand, flag } from "../command.ts";
import { produceDemo } from "./produce_demo.ts";
import { inputsOf } from "./inputs.ts";
import { Lateness } from "./lateness.ts";
import { type ProduceInput, produceInputs } from "./produce_inputs.ts";
import type { OutMessage } from "./produce_message.ts";
import { noCounts, type ProduceCounts } from "./progress.ts";
import { TopicSender } from "../../source/kafka/producer/sender.ts";
import { lineExaminer, lineTimeReader } from "../../app/wiring.ts";
import type { Settings } from "../../shared/config/settings.ts";
import { wantedRules } from "../../event/stream_rules.ts";
import { countText } from "../../shared/quantities.ts";
import { progressText, rateText } from "../progress_line.ts";
import { kafkaConnection } from "../../app/sources.ts";

/** Interval of changes of the line on a terminal, in ms. */
const PROGRESS_EVERY = 250;
/** With a larger share, the command says how many records will be late. */
const LATE_SHARE_TOLD = 0.01;
/** Faults that may end when a broker or its name service has started; others need a change by the user. */
const WAITED_FOR: ReadonlySet<string> = new Set(["kafka_unavailable", "kafka_address_unknown", "no_topic"]);
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
  "from-line": flag(integer(1, 2 ** 50), {
    default: "1",
    doc: "Begin at this line of the first input: where a run that was stopped says that it ended.",
  }),
  wait: flag(duration(0, HOUR), {
    default: "60s",
    doc: "How long to wait for an absent broker, and for a broker that takes nothing of what is sent.",
  }),
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

/** Runs `tidemark produce`. @throws {UsageError} for arguments; {Unavailable} if the broker is absent; what reading a file throws */
export async function produceCommand(
  args: readonly string[],
  context: CommandContext<typeof flags>,
): Promise<ExitCode> {
  const { clock, log, progress, settings, signal } = context;
  const topic = context.flags.topic ?? settings.KAFKA_TOPIC;
  const inputs = context.flags.demo ? [] : await inputsOf(args, readers(context));
  const kafka = createKafka(kafkaConnection(settings), log);
  await withBroker(context, () => prepareTopic(kafka, topic, context));

  const sender = new TopicSender({
    connection: kafkaConnection(settings),
    topic,
    log,
    clock,
    patienceMs: context.flags.wait,
    signal,
  });
  await withBroker(context, () => sender.open());
  const started = clock.now();
  const sizes = inputs.map(({ size }) => size);
  const total = sizes.length === 0 || sizes.includes(null) ? null : sizes.reduce<number>((sum, size) => sum + size!, 0);
  const lateness = new Lateness(settings.WINDOW_SIZE, settings.WATERMARK_DELAY);
  let counts: ProduceCounts | undefined;
  let shownAt = -Infinity;
  try {
    const shared = {
      rate: context.flags.rate,
      clock,
      signal,
      send: (messages: readonly OutMessage[]) => sender.send(messages),
      onProgress: (now: ProduceCounts) => {
        counts = now;
        if (clock.now() - shownAt < PROGRESS_EVERY) return;
        shownAt = clock.now();
        const at = { done: now.read, total, records: now.sent, elapsedMs: clock.now() - started };
        progress(progressText(at, "records"));
      },
    };
    const rules = {
      key: context.flags.key,
      defaultHost: context.flags.host ?? settings.FILE_HOST,
      format: settings.FILE_FORMAT,
    };
    if (context.flags.demo) await produceDemo(shared);
    else await produceInputs({ ...shared, inputs, rules, log, lateness, fromLine: context.flags["from-line"] });
  } catch (error) {
    progress("");
    summary(counts, topic, clock.now() - started, context);
    throw error instanceof NamedError ? error : stopped(error, counts, inputs);
  } finally {
    await sender.close();
  }
  progress("");
  const code = summary(counts, topic, clock.now() - started, context);
  if (lateness.share > LATE_SHARE_TOLD) context.out(lateText(lateness, settings.WATERMARK_DELAY));
  if (signal.aborted && counts !== undefined && counts.next !== null) context.out(restOf(counts, inputs));
  return code;
}

/** The settings for checking files as a stream would. */
function readers({ settings, flags: { host = settings.FILE_HOST }, log, signal }: CommandContext<typeof flags>) {
  const lines: Settings = { ...settings, SOURCE: "file", FILE_HOST: host ?? "unknown" };
  const rules = wantedRules(settings);
  return { examine: lineExaminer(lines, rules), timeOf: lineTimeReader(lines, rules), log, signal };
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
      // The broker stamps the records, so that a replay judges every event in the same way; replicas are the broker's default.
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

/** Asks for the list of topics, because asking for one by its name may create it. */
async function hasTopic(admin: Admin, topic: string): Promise<boolean> {
  return (await admin.listTopics()).includes(topic);
}

/** Tries again while the broker is absent, until the time of `--wait` is over. @throws {Unavailable} */
async function withBroker(context: CommandContext<typeof flags>, work: () => Promise<void>): Promise<void> {
  const { clock, log, settings, signal } = context;
  const topic = context.flags.topic ?? settings.KAFKA_TOPIC, connection = kafkaConnection(settings);
  const deadline = clock.now() + context.flags.wait;
  while (true) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof NamedError && !(error instanceof Unavailable)) throw error;
      const fault = faultOf(error, faultContext({ topic, group: "", connection }, { fresh: true })).error;
      const reason = fault.message;
      if (!WAITED_FOR.has(fault.code) || clock.now() >= deadline || signal.aborted) throw fault;
      log.warn("Kafka does not answer; trying again", { reason });
      await clock.sleep(RETRY_EVERY, signal);
    }
  }
}

function stopped(error: unknown, counts: ProduceCounts | undefined, inputs: readonly ProduceInput[]): Unavailable {
  const rest = counts === undefined ? "" : restOf(counts, inputs);
  return new Unavailable(
    "produce_stopped",
    `Sending stopped: ${messageOf(error)}`,
    `The records counted above are in the topic. ${rest}`.trim(),
    { cause: error },
  );
}

/** What a stream that reads the sent records will do. */
function lateText({ late, share }: Lateness, delay: number): string {
  return `${countText(late)} records (${
    (share * 100).toFixed(1)
  } %) will be late: they are more than WATERMARK_DELAY ` +
    `(${
      formatDuration(delay)
    }) behind newer ones that were sent before them. Send the files of one server or site by ` +
    "themselves, to a topic of their own, or give the stream that reads them a longer WATERMARK_DELAY.";
}

/** Text about how a second run continues. */
function restOf({ next, beyond }: ProduceCounts, inputs: readonly ProduceInput[]): string {
  const input = next === null ? undefined : inputs[next.input];
  if (next === null || input === undefined) return "";
  const names = inputs.slice(next.input).map(({ name }) => /^[\w./-]+$/.test(name) ? name : JSON.stringify(name));
  const twice = beyond === 0 ? "" : ` ${beyond} records after that line are in as well and would be sent twice.`;
  return `Everything before line ${next.line} of ${input.name} is in. Go on with: ` +
    `tidemark produce ${names.join(" ")} --from-line ${next.line}.${twice}`;
}

/** The last line and the exit code. */
function summary(
  counts: ProduceCounts | undefined,
  topic: string,
  elapsed: number,
  context: CommandContext<typeof flags>,
): ExitCode {
  const { sent, bytes, unsent } = counts ?? noCounts(null);
  const left = Object.entries(unsent).filter(([, lines]) => lines > 0).map(([reason, lines]) => `${reason} ${lines}`);
  context.out(
    `${context.signal.aborted ? "Stopped: sent" : "Sent"} ${sent} records (${bytes} bytes) to ${topic} in ${
      (elapsed / 1000).toFixed(1)
    } s` +
      `${elapsed < 500 ? "" : `, ${rateText(sent, elapsed)}`}${
        left.length > 0 ? `; lines not sent: ${left.join(", ")}` : ""
      }`,
  );
  return left.length > 0 ? EXIT.findings : EXIT.ok;
}
