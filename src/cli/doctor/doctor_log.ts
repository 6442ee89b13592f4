// The checks of the log in `tidemark doctor`: identity, positions, content, retention, group. Reads facts, which src/operate judges. Shell.
import { type StreamRules, wantedRules } from "../../event/stream_rules.ts";
import type { StoredState } from "../../store/port.ts";
import type { Database } from "../../store/postgres/client.ts";
import type { PlaceLocator } from "../../geo/port.ts";
import { addTraits, type BatchTraits, noTraits } from "../../operate/batch_traits.ts";
import { fail, type Finding, ok, skip, warn } from "../../operate/finding.ts";
import { type Backlog, judgeGroup, judgeRetention, judgeSample, judgeTraits } from "../../operate/judge_log.ts";
import { KafkaLogReader } from "../../operate/kafka_log_reader.ts";
import { probeTopic } from "../../operate/kafka_topic_probe.ts";
import type { LogReader } from "../../operate/log_reader.ts";
import { sampleTopic } from "../../operate/topic_sample.ts";
import { printable } from "../../shared/printable.ts";
import { messageOf, NamedError } from "../../shared/errors.ts";
import { type EpochMs, epochMs, NEVER, type Offset, offset, type PartitionId } from "../../shared/units.ts";
import { demoAnchor } from "../../source/demo/timeline.ts";
import type { LogIdentity } from "../../source/port.ts";
import type { CommandContext } from "../command.ts";
import { openLogReader } from "../../app/replay_reader.ts";
import { kafkaConnection } from "../../app/sources.ts";
import { countingRules, eventReader, logName, logProblem, rulesInForce } from "../../app/wiring.ts";

type DoctorContext = Omit<CommandContext, "flags">;

/** `/v1/pipeline` shows all of them. */
const LOGS_SHOWN = 10;

interface LogCheckInputs {
  readonly database: Database | null;
  readonly stored: StoredState | null;
  readonly places: PlaceLocator;
}

/** Runs all checks that need the log. Faults are findings, never errors. */
export async function checkSource(context: DoctorContext, inputs: LogCheckInputs): Promise<Finding[]> {
  const { settings } = context;
  const name = settings.SOURCE === "kafka" ? "broker" : "source";
  const reader = await openLogReader(
    context,
    inputs.database,
    {
      anchor: inputs.stored?.anchor ?? demoAnchor(context.clock.now(), 0),
      stream: readingRules(context, inputs.stored),
    },
  );
  try {
    return await withLog(reader, name, context, inputs);
  } finally {
    await reader.close();
  }
}

/** The stored rules; if this release does not know them (another check reports that), the newest that it knows. */
function readingRules({ settings }: DoctorContext, stored: StoredState | null): StreamRules {
  try {
    return rulesInForce(settings, stored);
  } catch (error) {
    if (error instanceof NamedError) return wantedRules(settings);
    throw error;
  }
}

async function withLog(
  reader: LogReader,
  name: string,
  context: DoctorContext,
  inputs: LogCheckInputs,
): Promise<Finding[]> {
  const { settings } = context;
  const findings: Finding[] = [];
  let log: LogIdentity;
  try {
    log = await reader.identify();
  } catch (error) {
    return [
      fail(name, messageOf(error), error instanceof NamedError ? error.action : "Check the settings of the source."),
    ];
  }
  const where = settings.SOURCE === "kafka" ? ` at ${settings.KAFKA_URL.join(", ")}` : "";
  findings.push(ok(name, `${logName(settings)}${where}: ${log.partitions.length} partitions`));
  if (settings.SOURCE === "kafka") findings.push(topicIds(log));
  if (settings.SOURCE === "file") findings.push(logFiles(log));
  findings.push(positions(context, inputs, log));
  try {
    const events = eventReader(settings, readingRules(context, inputs.stored), inputs.places);
    findings.push(...judgeSample(
      await sampleTopic(log.partitions, {
        log: reader,
        events,
        places: inputs.places,
        rules: countingRules(settings),
        now: context.clock.now(),
      }),
    ));
  } catch (error) {
    findings.push(unreadable("topic_sample", error));
  }
  if (reader instanceof KafkaLogReader) findings.push(...await kafkaChecks(reader, context, inputs.stored, log));
  return findings;
}

/** Which log each partition is, and in what format. */
function logFiles({ partitions }: LogIdentity): Finding {
  const named = partitions.map(({ partition, logs = [], format = null }) =>
    `${partition}: ${logs.map(({ name }) => printable(name)).join(", ")} (${format ?? "no format found yet"})`
  );
  const more = named.length - LOGS_SHOWN;
  return ok("log_files", named.slice(0, LOGS_SHOWN).join("; ") + (more > 0 ? `; and ${more} more` : ""));
}

const topicIds = (log: LogIdentity) =>
  log.topicId !== null ? ok("topic_id", log.topicId) : warn(
    "topic_id",
    "the broker has no topic ids (Kafka before 2.8)",
    "Upgrade the brokers: without ids, a topic that is deleted and created again is noticed only by its offsets.",
  );

/** Whether the log holds the stored positions. */
function positions({ settings }: DoctorContext, { database, stored }: LogCheckInputs, log: LogIdentity): Finding {
  if (stored === null) {
    return skip("positions", database === null ? "not read: see the database above" : "none are stored yet");
  }
  const problem = logProblem(settings, stored, log);
  return problem === null
    ? ok("positions", "the log holds every stored position")
    : fail("positions", problem.message, problem.action);
}

async function kafkaChecks(
  reader: KafkaLogReader,
  context: DoctorContext,
  stored: StoredState | null,
  log: LogIdentity,
): Promise<Finding[]> {
  const { settings, clock } = context;
  const findings: Finding[] = [];
  try {
    findings.push(...judgeTraits(await traitsOf(reader, log)));
  } catch (error) {
    findings.push(unreadable("codecs", error));
  }
  try {
    const { config, group, refused } = await probeTopic({
      connection: kafkaConnection(settings),
      topic: settings.KAFKA_TOPIC,
      group: settings.KAFKA_GROUP,
      log: context.log,
    });
    const retention = config === null ? null : Number(config["retention.ms"] ?? -1);
    findings.push(judgeRetention(await backlogsOf(reader, stored, log), retention, clock.now()));
    findings.push(judgeGroup(settings.KAFKA_GROUP, group));
    if (refused.length > 0) findings.push(skip("kafka_rights", `some requests are not allowed: ${refused.join("; ")}`));
  } catch (error) {
    findings.push(unreadable("retention", error));
  }
  return findings;
}

/** The headers of the first and the newest batches of each partition. */
async function traitsOf(reader: KafkaLogReader, log: LogIdentity): Promise<BatchTraits> {
  const traits = noTraits();
  for (const { partition, logStart, logEnd } of log.partitions) {
    if (logEnd === logStart) continue;
    addTraits(traits, (await reader.fetch(partition, logStart)).records);
    const late = offset(Math.max(logStart, logEnd - 100));
    if (late > logStart) addTraits(traits, (await reader.fetch(partition, late)).records);
  }
  return traits;
}

/** The unread records behind each stored position. */
async function backlogsOf(reader: LogReader, stored: StoredState | null, log: LogIdentity): Promise<Backlog[]> {
  const backlogs: Backlog[] = [];
  for (const row of stored?.rows ?? []) {
    const bounds = log.partitions.find(({ partition }) => partition === row.partition);
    if (row.retired || bounds === undefined) continue;
    const { nextOffset } = row;
    const held = nextOffset >= bounds.logStart && nextOffset < bounds.logEnd;
    backlogs.push({
      partition: row.partition,
      lag: Math.max(0, bounds.logEnd - nextOffset),
      recordTime: held ? await recordTimeAt(reader, row.partition, nextOffset) : null,
    });
  }
  return backlogs;
}

async function recordTimeAt(reader: LogReader, partition: PartitionId, at: Offset) {
  let time: EpochMs = NEVER;
  for (const batch of await reader.read(partition, at)) {
    for (const run of batch.runs) {
      run.walk(at, (_bytes, _start, _end, _offset, recordTime) => {
        if (time === NEVER) time = epochMs(recordTime);
      });
    }
    if (time !== NEVER) return time;
  }
  return null;
}

function unreadable(check: string, error: unknown): Finding {
  if (!(error instanceof NamedError)) throw error;
  return fail(check, error.message, error.action);
}
