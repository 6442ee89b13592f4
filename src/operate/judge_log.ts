// Judges the log for `tidemark doctor`: its records, its timestamps, its retention and its consumer group. Pure.
import { countText } from "../shared/quantities.ts";
import type { NamedError } from "../shared/errors.ts";
import { groupShared } from "../source/kafka/faults.ts";
import { type GroupDescription, strangersOf } from "../source/kafka/group_members.ts";
import { type EpochMs, HOUR } from "../shared/units.ts";
import type { BatchTraits } from "./batch_traits.ts";
import { fail, type Finding, ok, skip, warn } from "./finding.ts";
import type { Sample } from "./topic_sample.ts";

/** With a larger share of dead letters, the topic is probably the wrong one. */
const DEAD_FAIL = 0.5;
const DEAD_WARN = 0.01;
const LATE_WARN = 0.02;
/** Share of public addresses without a place. A country database knows nearly all. */
const UNPLACED_WARN = 0.2;
/** An operator who looks once a day can still act. */
const RETENTION_LEFT_MS_MIN = 24 * HOUR;

const percent = (part: number, whole: number) =>
  `${(100 * part / Math.max(1, whole)).toFixed(part > 0 && part / whole < 0.001 ? 3 : 1)} %`;

/** Are the sampled records events, are they in time, do they have places? */
export function judgeSample(sample: Sample): Finding[] {
  const { records, counted, late, nulls, dead, places } = sample;
  if (records === 0) return [skip("topic_sample", "the log holds no records yet")];
  const deadRecords = Object.values(dead).reduce((sum, n) => sum + n, 0);
  const reasons = Object.entries(dead).map(([reason, n]) => `${reason} ${percent(n, records)}`).join(", ");
  const detail = `${countText(records)} newest records: ${percent(counted, records)} valid, ${
    percent(late, records)
  } late, ${percent(deadRecords, records)} dead${reasons === "" ? "" : ` (${reasons})`}, ${
    percent(nulls, records)
  } without a value`;
  const findings: Finding[] = [];
  const looksLike = sample.recognised.length === 0
    ? ""
    : `; what is dead is ${sample.recognised.slice(0, 3).join("; or ")}`;
  if (deadRecords / records > DEAD_FAIL) {
    findings.push(
      fail(
        "topic_sample",
        detail + looksLike,
        "Check that this is the topic of events; `tidemark dead-letters list` shows what comes.",
      ),
    );
  } else if (deadRecords / records > DEAD_WARN) {
    findings.push(
      warn("topic_sample", detail + looksLike, "Look at them with `tidemark dead-letters list` and tell the producer."),
    );
  } else findings.push(ok("topic_sample", detail));
  const future = dead.future_event_time ?? 0;
  if (future > 0) {
    findings.push(
      warn(
        "event_clock",
        `${percent(future, records)} of the events lie in the future`,
        "Set the clocks of the web servers (and of the brokers, where these stamp the records), or check their time zone.",
      ),
    );
  }
  if (late / records > LATE_WARN) {
    findings.push(
      warn(
        "lateness",
        `${percent(late, records)} of the sample came after its window`,
        "Raise WATERMARK_DELAY, or find out what delays the producer.",
      ),
    );
  }
  const asked = places.located + places.unknown;
  const hits = asked + places.private + places.invalid;
  const placed = `${percent(places.located, hits)} located, ${percent(places.unknown, hits)} unknown, ${
    percent(places.private, hits)
  } private, ${percent(places.invalid, hits)} invalid`;
  if (hits === 0) return findings;
  if (asked === 0 || places.private + places.invalid > hits / 2) {
    findings.push(
      warn(
        "geo_hits",
        placed,
        "Most addresses are not the visitors': check TRUSTED_PROXY_HOPS and what the proxy sends.",
      ),
    );
  } else if (places.unknown / asked > UNPLACED_WARN) {
    findings.push(warn("geo_hits", placed, "Install or renew the place database: `tidemark geo install`."));
  } else findings.push(ok("geo_hits", placed));
  return findings;
}

/** Codecs and time stamps of the sampled batches. */
export function judgeTraits(traits: BatchTraits): Finding[] {
  if (traits.batches === 0) return [];
  const codecs = [...traits.codecs].map(([name, n]) => `${name} ${percent(n, traits.batches)}`).join(", ");
  const unknown = [...traits.codecs.keys()].filter((name) => name.startsWith("codec "));
  const findings = [
    unknown.length > 0
      ? fail(
        "codecs",
        codecs,
        `Tidemark cannot read ${unknown.join(", ")}: produce with gzip, snappy, lz4 or zstd.`,
      )
      : ok("codecs", codecs || "message format before Kafka 0.11"),
  ];
  if (traits.createTime > 0) {
    findings.push(warn(
      "timestamps",
      "the producers stamp the records (CreateTime): a broken clock there decides which events lie in the future",
      "Set message.timestamp.type=LogAppendTime on the topic, so that a replay judges every event the same.",
    ));
  } else if (traits.appendTime > 0) findings.push(ok("timestamps", "stamped by the broker (LogAppendTime)"));
  if (traits.legacy > 0) {
    findings.push(
      warn(
        "message_format",
        `${countText(traits.legacy)} batches are of a format before Kafka 0.11`,
        "Let producers use the current format.",
      ),
    );
  }
  return findings;
}

/** The unread records of a partition. */
export interface Backlog {
  readonly partition: number;
  /** Records (of files: bytes) from the stored position to the log's end. */
  readonly lag: number;
  /** Record time at the stored position; null at the log's end. */
  readonly recordTime: EpochMs | null;
}

/** How soon retention deletes unread records. @param retentionMs −1 = never; null = unknown */
export function judgeRetention(backlogs: readonly Backlog[], retentionMs: number | null, now: EpochMs): Finding {
  const behind = backlogs.filter((backlog) => backlog.recordTime !== null);
  const lag = backlogs.reduce((sum, backlog) => sum + backlog.lag, 0);
  if (retentionMs === null) return skip("retention", "the topic's settings may not be read");
  const keeps = retentionMs < 0
    ? "the topic never deletes records"
    : `the topic keeps records for ${hours(retentionMs)}`;
  if (behind.length === 0 || retentionMs < 0) return ok("retention", `${keeps}; ${countText(lag)} are waiting`);
  const worst = behind.reduce((a, b) => a.recordTime! <= b.recordTime! ? a : b);
  const left = worst.recordTime! + retentionMs - now;
  const detail = `${keeps}; partition ${worst.partition} waits with a record of ${
    new Date(worst.recordTime!).toISOString()
  }, ${left > 0 ? `${hours(left)} before it may be deleted` : "which may be deleted at any moment"}`;
  const action = "Add instances or start them again; raise retention.ms on the topic until the backlog is read.";
  if (left <= 0) return fail("retention", detail, action);
  return left < Math.min(RETENTION_LEFT_MS_MIN, retentionMs / 2)
    ? warn("retention", detail, action)
    : ok("retention", detail);
}

const hours = (ms: number) => ms < 2 * HOUR ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / HOUR)} h`;

/** Is the group ours alone? @param group its members, or why they cannot be read */
export function judgeGroup(name: string, group: GroupDescription | NamedError): Finding {
  if (group instanceof Error) return fail("group", group.message, group.action);
  const strangers = strangersOf(group.members);
  if (strangers.length > 0) {
    const { reason, action } = groupShared(name, strangers);
    return fail("group", reason, action);
  }
  // Kafka calls an absent group dead.
  return group.members.length === 0
    ? ok("group", `${name}: no members now`)
    : ok("group", `${name}: ${group.state}, ${group.members.length} members`);
}
