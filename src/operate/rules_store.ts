// Reads and switches the rules by which a stream reads events. Shell.
import { parseStreamRules, rulesJson, type StreamRules } from "../event/stream_rules.ts";
import type { EpochMs, Offset, PartitionId } from "../shared/units.ts";
import type { Database } from "../store/postgres/client.ts";
import { codeOf } from "../shared/sql.ts";

const TIMEOUT_MS = 5_000;
/** A switch waits for a closing in progress. */
const SWITCH_TIMEOUT_MS = 60_000;

/** Rules of one partition from an offset on. */
export interface RuleSpan {
  readonly partition: PartitionId;
  /** Number of the switch, from 1. */
  readonly revision: number;
  /** Inclusive. */
  readonly from: Offset;
  /** JSON as of `rulesJson`. */
  readonly rules: string;
  readonly switchedAt: EpochMs;
}

/** All spans, by partition and revision. An older schema has none: version 1 applies everywhere. */
export async function readRuleSpans(database: Database): Promise<RuleSpan[]> {
  try {
    return await database.query(
      (sql) =>
        sql<RuleSpan[]>`
        select partition, revision, from_offset::float8 as "from", rules::text as rules, tm.tidemark_ms_v1(switched_at)::float8 as "switchedAt"
        from tm.stream_rules order by partition, revision`,
      TIMEOUT_MS,
    );
  } catch (error) {
    if (codeOf(error) === "42P01") return [];
    throw error;
  }
}

/** The rules for a record. @throws UsageError `rules_unknown` */
export function rulesAt(spans: readonly RuleSpan[], partition: PartitionId, offset: Offset): StreamRules {
  const own = spans.filter((span) => span.partition === partition);
  // Records before the first span were read before spans were stored.
  const span = own.findLast((one) => one.from <= offset) ?? own[0];
  return parseStreamRules(span?.rules ?? '{"version": 1}');
}

/** Applies `rules` from every stored position on; returns the number of the switch. */
export async function switchRules(database: Database, rules: StreamRules): Promise<number> {
  const [row] = await database.query(
    (sql) =>
      sql<{ revision: number }[]>`select tm.tidemark_switch_rules_v1(${rulesJson(rules)}::text::jsonb) as revision`,
    SWITCH_TIMEOUT_MS,
  );
  return row!.revision;
}
