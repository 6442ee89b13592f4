// Judges the database for `tidemark doctor`: version, rights, isolation, durability, clock, rules of the stream. Pure.
import { parseStreamRules, ruleProblems, RULES_VERSION_NEWEST, type StreamRules } from "../event/stream_rules.ts";
import { NamedError } from "../shared/errors.ts";
import { type DurationMs, SECOND } from "../shared/units.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

/** The server's answers to one statement. */
export interface DatabaseFacts {
  /** `server_version_num`, e.g. 150004. */
  readonly version: number;
  readonly versionText: string;
  readonly user: string;
  readonly superuser: boolean;
  /** Isolation level of our statements. */
  readonly isolation: string;
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  readonly readOnly: boolean;
  /** The server's clock minus ours in ms, in the middle of the round trip. */
  readonly aheadMs: number;
  /** Error of `aheadMs`: half of the round trip. */
  readonly exactMs: number;
  /** Whether we may write to our tables; null before they exist. */
  readonly mayWrite: boolean | null;
  /** Whether we may create day tables, as owner or through a function that runs as owner; null before the tables exist. */
  readonly mayMakeDays: boolean | null;
  readonly mayCreate: boolean;
}

/** The oldest supported server. */
const VERSION_MIN = 140_000;
const SKEW_WARN_MS = SECOND;

/** @param futureSkew MAX_FUTURE_SKEW: if the clocks differ by more, all events can seem to be in the future */
export function judgeDatabase(facts: DatabaseFacts, futureSkew: DurationMs): Finding[] {
  return [
    facts.version >= VERSION_MIN
      ? ok("postgres_version", `PostgreSQL ${facts.versionText}`)
      : fail("postgres_version", `PostgreSQL ${facts.versionText}`, "Use PostgreSQL 14 or later."),
    judgeRights(facts),
    // Our connection sets the level; a pooler may have dropped it.
    facts.isolation === "read committed" ? ok("isolation", "read committed") : fail(
      "isolation",
      `${facts.isolation}, although the connection asks for read committed`,
      "Let the pooler pass default_transaction_isolation on, or set it for this user in the database.",
    ),
    facts.fsync && facts.fullPageWrites ? ok("durability", "fsync and full_page_writes are on") : warn(
      "durability",
      `fsync is ${onOff(facts.fsync)}, full_page_writes is ${onOff(facts.fullPageWrites)}`,
      "A crash of the machine may damage the database, positions included: turn them on.",
    ),
    judgeSkew(facts, futureSkew),
  ];
}

const onOff = (on: boolean) => on ? "on" : "off";

function judgeRights({ user, superuser, readOnly, mayWrite, mayMakeDays, mayCreate }: DatabaseFacts): Finding {
  const roles = "Grant them with ddl/roles.sql, or connect as the owner of the schema.";
  if (readOnly) {
    return fail(
      "postgres_rights",
      "the server takes no writes (a standby, or default_transaction_read_only)",
      "Point POSTGRES_URL at the primary.",
    );
  }
  if (mayWrite === null && !mayCreate) {
    return fail("postgres_rights", `${user} may not create tables in the schema`, roles);
  }
  if (mayWrite === false) return fail("postgres_rights", `${user} may not write the stream's tables`, roles);
  if (mayMakeDays === false) {
    return fail(
      "postgres_rights",
      `${user} may not make the tables of new days: closing would stop at midnight UTC`,
      roles,
    );
  }
  if (superuser) {
    return warn("postgres_rights", `${user} is a superuser`, "Use a role with least rights (ddl/roles.sql).");
  }
  return ok("postgres_rights", `${user} may do what is needed`);
}

function judgeSkew({ aheadMs, exactMs }: DatabaseFacts, futureSkew: DurationMs): Finding {
  const size = Math.max(0, Math.abs(aheadMs) - exactMs);
  const detail = `PostgreSQL's clock is ${Math.abs(Math.round(aheadMs))} ms ${
    aheadMs < 0 ? "behind" : "ahead of"
  } ours (± ${Math.round(exactMs)} ms)`;
  const action = "Let both machines follow the same time servers (chrony, systemd-timesyncd).";
  if (size > futureSkew) return fail("clock_skew", detail, action);
  return size > SKEW_WARN_MS ? warn("clock_skew", detail, action) : ok("clock_skew", detail);
}

/** Checks that the settings give the rules by which the stream reads events. */
export function judgeRules(stored: string, wanted: StreamRules): Finding {
  try {
    const rules = parseStreamRules(stored), problems = ruleProblems(rules, wanted);
    if (problems.length > 0) {
      return fail(
        "event_rules",
        problems.join(" "),
        "Use what the stream stores, or `tidemark rules --switch` with the new settings.",
      );
    }
    const older = rules.version < RULES_VERSION_NEWEST
      ? `; the newest is ${RULES_VERSION_NEWEST}: \`tidemark rules --switch --dry-run\` shows a switch`
      : "";
    return ok("event_rules", `version ${rules.version}${older}`);
  } catch (error) {
    if (error instanceof NamedError) return fail("event_rules", error.message, error.action);
    throw error;
  }
}
