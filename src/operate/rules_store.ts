// Reads which rules a stream has read events by, and switches them. Shell.
import { parseStreamRules, rulesJson, type StreamRules } from "../event/stream_rules.ts";
import type { EpochMs, Offset, PartitionId } from "../shared/units.ts";
import type { Database } from "../store/postgres/client.ts";
import { codeOf } from "../shared/sql.ts";

const TIMEOUT_MS = 5_000;
/** A switch waits for the closing that is under way. */
const SWITCH_TIMEOUT_MS = 60_000;

/** From where on one partition is read by which rules. */
export interface RuleSpan {
  readonly partition: PartitionId;
  /** Number of the switch, from 1. */
  readonly revision: number;
  /** Inclusive. */
  readonly from: Offset;
  /** As `rulesJson` writes them. */
  readonly rules: string;
  readonly switchedAt: EpochMs;
}

/** All spans, by partition and revision; empty in a schema that was not migrated yet, where version 1 holds everywhere. */
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

/** The rules by which a record of one partition is read. @throws UsageError `rules_unknown` */
export function rulesAt(spans: readonly RuleSpan[], partition: PartitionId, offset: Offset): StreamRules {
  const own = spans.filter((span) => span.partition === partition);
  // Before the first span only what was read before spans were recorded can lie.
  const span = own.findLast((one) => one.from <= offset) ?? own[0];
  return parseStreamRules(span?.rules ?? '{"version": 1}');
}

/** Lets `rules` hold from every stored position on; returns the number of the switch that holds then. */
export async function switchRules(database: Database, rules: StreamRules): Promise<number> {
  const [row] = await database.query(
    (sql) =>
      sql<{ revision: number }[]>`select tm.tidemark_switch_rules_v1(${rulesJson(rules)}::text::jsonb) as revision`,
    SWITCH_TIMEOUT_MS,
  );
  return row!.revision;
}
