// The protective checks, one by one, each as the text change that takes it away. A target must be found exactly once: where code moves on, the
// list fails instead of rotting. Pure.

import { BREAKDOWN_MUTANTS } from "./breakdown_mutants.ts";
import { FILE_MUTANTS } from "./files/mutants.ts";

/** Which tests must notice. */
export type Suite = "unit" | "source" | "files" | "steps" | "postgres" | "network" | "produce";

export interface Mutant {
  /** The guard, in words. */
  readonly guard: string;
  readonly file: string;
  /** Applied in order; each target is there exactly once. */
  readonly edits: readonly Edit[];
  readonly suite: Suite;
}

export type Edit = readonly [target: string, replacement: string];

const PIPELINE = "src/pipeline.ts",
  STATE = "src/engine/state.ts",
  COMMITS = "src/engine/commits.ts",
  LOG_FAULTS = "src/shared/faults.ts",
  LOADING = "src/engine/loading.ts",
  ROW_WATCH = "src/engine/row_watch.ts",
  DECISION = "src/store/decision.ts",
  COMMITTER = "src/store/committer.ts",
  COUNTER = "src/window/counter.ts",
  IDLE = "src/window/idle.ts",
  ASSIGNMENT = "src/source/assignment.ts",
  MODEL = "tests/simulation/model_database.ts",
  STREAM_RULES = "src/event/stream_rules.ts",
  JOIN = "ddl/0002_commit.sql",
  EXACT = "ddl/0005_exact.sql",
  CLIENT = "src/store/postgres/client.ts",
  POSTGRES_URL = "src/shared/config/postgres_url.ts",
  SENDER = "src/source/kafka/producer/sender.ts",
  ANSWERS = "src/source/kafka/producer/answers.ts",
  TURNS = "src/store/embedded/turns.ts",
  READINESS = "src/http/api/readiness.ts",
  STEPS = "src/shared/steps.ts",
  COMPLETENESS = "src/report/completeness.ts";

const rulesSql = (guard: string, ...edits: Edit[]): Mutant => ({
  guard,
  file: "ddl/0006_rules.sql",
  edits,
  suite: "postgres",
});
const unit = (guard: string, file: string, ...edit: Edit): Mutant => ({ guard, file, edits: [edit], suite: "unit" });
const source = (guard: string, file: string, ...edit: Edit): Mutant => ({
  guard,
  file,
  edits: [edit],
  suite: "source",
});
const network = (guard: string, file: string, ...edit: Edit): Mutant => ({
  guard,
  file,
  edits: [edit],
  suite: "network",
});
const produce = (guard: string, ...edit: Edit): Mutant => ({ guard, file: SENDER, edits: [edit], suite: "produce" });
const steps = (guard: string, file: string, ...edit: Edit): Mutant => ({
  guard,
  file,
  edits: [edit],
  suite: "steps",
});
const sql = (guard: string, ...edits: Edit[]): Mutant => ({ guard, file: EXACT, edits, suite: "postgres" });
const compareSql = (guard: string, ...edits: Edit[]): Mutant => ({
  guard,
  file: "ddl/0008_compare.sql",
  edits,
  suite: "postgres",
});
const join = (guard: string, ...edits: Edit[]): Mutant => ({ guard, file: JOIN, edits, suite: "postgres" });
const model = (guard: string, name: string): Mutant =>
  unit(`model database: ${guard}`, MODEL, `  ${name}: true,`, `  ${name}: false,`);

/** The text of `file` without the guard. @throws Error where a target is not there exactly once */
export function mutate(mutant: Mutant, text: string): string {
  return mutant.edits.reduce((all, [target, replacement]) => {
    const found = all.split(target).length - 1;
    if (found !== 1) {
      throw new Error(`${mutant.file}: "${target}" is there ${found} times, not once (guard: ${mutant.guard})`);
    }
    return all.replace(target, () => replacement);
  }, text);
}

export const MUTANTS: readonly Mutant[] = [
  // ---- rules
  unit("the reader reads by the stored rules", LOADING, "    reader.use(rules);\n", ""),
  unit(
    "memory that rests on other rules is dropped",
    LOADING,
    "if (state.trackers.size > 0) {\n      state.giveUp",
    "if (false) {\n      state.giveUp",
  ),
  unit(
    "settings that ask for other rules are refused",
    LOADING,
    "    checkRules(rules, state.settings.stream.rules);\n",
    "",
  ),
  unit(
    "unknown rules are refused",
    STREAM_RULES,
    "  if (known === undefined) {\n    throw unknownRules",
    "  if (known === undefined) return RULES_2;\n  if (known === undefined) {\n    throw unknownRules",
  ),
  unit(
    "an unknown rule of a known version is refused",
    STREAM_RULES,
    "name !== undefined || typeof fields",
    "typeof fields",
  ),
  model("a switch of the rules fences", "switchFences"),
  rulesSql("a switch of the rules fences", [
    "  update stream_partition set commit_id = gen_random_uuid(), updated_at = clock_timestamp();\n",
    "",
  ]),
  rulesSql("a switch holds from the stored positions", [
    "s.rules_revision + 1, p.next_offset, p_rules",
    "s.rules_revision + 1, p.first_offset, p_rules",
  ]),
  rulesSql("a switch waits for commits under way", [
    "  perform from stream_partition order by partition for update;\n  update stream set rules",
    "  update stream set rules",
  ], [
    "  update stream_partition set commit_id = gen_random_uuid(), updated_at = clock_timestamp();\n  insert into stream_rules (partition, revision, from_offset, rules)\n    select p.partition, s.rules_revision + 1, p.next_offset, p_rules from stream_partition p;\n",
    "  insert into stream_rules (partition, revision, from_offset, rules)\n    select p.partition, s.rules_revision + 1, p.next_offset, p_rules from stream_partition p;\n  update stream_partition set commit_id = gen_random_uuid(), updated_at = clock_timestamp();\n",
  ]),
  rulesSql("programs that know no rules do not join", [
    "before insert on stream for each statement execute",
    "before insert on stream for each statement when (false) execute",
  ]),
  rulesSql("programs that know no rules do not commit", [
    "if strpos(stack, 'tidemark_commit_v1(') > 0 and",
    "if false and",
  ]),
  rulesSql("a new partition begins with the rules that hold", [
    "create trigger stream_partition_rules after insert on stream_partition for each row",
    "create trigger stream_partition_rules after insert on stream_partition for each row when (false)",
  ]),
  rulesSql("a position set back is read by the newest rules", [
    "  for each row when (new.next_offset < old.next_offset) execute",
    "  for each row when (false) execute",
  ]),

  // ---- positions
  unit(
    "seek to the stored position on assignment",
    LOADING,
    "positions.set(partition, row.nextOffset);",
    "positions.set(partition, bounds?.logStart ?? row.nextOffset);",
  ),
  unit(
    "generation of a batch",
    PIPELINE,
    "if (event.generation !== state.assignment?.generation) return;",
    "",
  ),
  unit(
    "a batch continues at the position",
    PIPELINE,
    "if (!tracker || batch.from !== tracker.position) return;",
    "if (!tracker) return;",
  ),
  unit(
    "a batch is what the source's chain expects",
    ASSIGNMENT,
    'if (flow.position !== from) return { kind: "misplaced", position: flow.position };',
    "",
  ),
  unit(
    "a batch was asked for under the present ticket",
    ASSIGNMENT,
    "return this.#flows.get(partition)?.ticket === ticket;",
    "return this.#flows.has(partition);",
  ),
  unit(
    "positions for a stale generation are ignored",
    ASSIGNMENT,
    "if (generation !== this.#generation || this.#halted) return resumed;",
    "if (this.#halted) return resumed;",
  ),
  unit(
    "pending counts are settled before positions are read again",
    LOADING,
    'await this.commits.settle("rebalance", signal);',
    "",
  ),
  unit(
    "memory is dropped before positions are read again",
    LOADING,
    "        state.forget();\n      }\n",
    "      }\n",
  ),
  unit("a partition without a row is tried again", LOADING, "if (missing.length > 0) {", "if (missing.length > 99) {"),

  // ---- commits
  unit(
    "after an unknown outcome the rows decide (not: send under a new id)",
    COMMITTER,
    "const outcome = await this.store.commit(payload);",
    'const outcome = await this.store.commit(payload);\n      if (outcome.kind === "unknown") payload = { ...payload, commitId: payload.commitId.split("").reverse().join("") };',
  ),
  unit(
    "after an unknown outcome the rows decide (not: it failed, send again)",
    COMMITTER,
    "const verdict = await this.#judge(payload, signal);",
    'const verdict = { kind: "unchanged" } as Verdict;',
  ),
  unit(
    "after an unknown outcome the rows decide (not: it is in)",
    COMMITTER,
    'if (outcome.kind === "committed") return',
    'if (outcome.kind !== "fenced") return',
  ),
  unit(
    "all rows hold the id before a commit counts as in",
    DECISION,
    "if (committed === payload.moves.length)",
    "if (committed > 0)",
  ),
  unit(
    "all rows are unchanged before a payload is sent again",
    DECISION,
    "if (unchanged === payload.moves.length)",
    "if (unchanged > 0)",
  ),
  unit(
    "a payload is frozen when it is sent",
    "src/store/encode.ts",
    "        nextOffset: tracker.position,\n",
    "        get nextOffset() {\n          return tracker.position;\n        },\n",
  ),
  unit(
    "every partition that contributed travels with the delta",
    "src/store/encode.ts",
    "filter((t) => t.dirty)",
    "filter((t) => t.dirty && t.partition !== 1)",
  ),
  unit(
    "the compare is on the row as it was read or left",
    "src/store/encode.ts",
    "tracker.expected = { commitId, nextOffset: tracker.position };",
    "tracker.expected = { ...tracker.expected, nextOffset: tracker.position };",
  ),
  unit(
    "ids are forgotten only when no delta refers to them",
    COMMITS,
    "const payload = this.#encoder.freeze(",
    "if (reader.memoryBytes > DICTIONARY_SHARE * state.settings.limits.maxDictionaryBytes) reader.reset();\n    const payload = this.#encoder.freeze(",
  ),
  unit(
    "memory is dropped when fenced",
    STATE,
    "    this.fenced++;\n    this.expectation++;\n    this.forget();",
    "    this.fenced++;\n    this.expectation++;\n    this.trackers.clear();",
  ),
  unit(
    "memory that rests on a commit of unknown outcome is dropped by an instance that stops",
    COMMITS,
    "        state.expectation++;\n        return state.forget();",
    "        return;",
  ),
  unit("contested partitions are given up", STATE, "this.contested.set(partition, then);", ";"),
  unit(
    "contested partitions wait for a confirmation",
    STATE,
    "confirmedAt > then.since || confirmedAt < then.confirmedAt",
    "confirmedAt > 0 || then",
  ),
  unit("the periodic look at the rows", ROW_WATCH, "if (moved.length === 0) return;", "return;"),
  unit(
    "a look that spans a commit proves nothing",
    ROW_WATCH,
    "if (settled && expectation === state.expectation && !state.sending) this.#looked = stored;",
    "if ((this.#expectation = state.expectation) >= 0) this.#looked = stored;",
  ),
  unit(
    "a look that begins while a commit is on its way proves nothing",
    ROW_WATCH,
    "settled = state.sending === null;",
    "settled = true;",
  ),
  unit(
    "a look that a commit of ours has overtaken proves nothing",
    ROW_WATCH,
    "if (state.wanted || this.#expectation !== state.expectation) return;",
    "if (state.wanted) return;",
  ),
  unit(
    "topic id before the last commit of a stopping instance",
    PIPELINE,
    "const permit = ready() ? await Promise.race([this.#commits.permit(), timer]) : null;",
    "const permit = ready() ? { use() {} } as never : null;",
  ),
  unit(
    "counting stops at the record that reaches a bound",
    COUNTER,
    "if (delta.keys >= maxDeltaKeys || delta.bytes >= maxDeltaBytes) this.#full = true;",
    "",
  ),
  unit(
    "ids that keys of the delta name are kept where the dictionaries are full",
    COUNTER,
    "if (this.#delta.keys > 0) this.#full = true;",
    "if (this.#delta.keys < 0) this.#full = true;",
  ),
  unit(
    "the rest of a batch that was cut is counted",
    PIPELINE,
    "this.#rest = { batch: { ...batch, from: next }, tracker, at, generation };",
    "",
  ),
  unit(
    "the last commit of a stopping instance",
    PIPELINE,
    'this.#commits.send(permit, "shutdown", deadline.signal);',
    "",
  ),

  // ---- breakdowns and visitors
  unit(
    "what was sent of visitors is forgotten with what was counted",
    STATE,
    "    this.visitors?.forget();\n",
    "",
  ),
  unit(
    "what was sent of visitors is forgotten with the ids of hosts",
    COMMITS,
    "      state.visitors?.forgetHosts();\n",
    "",
  ),
  unit(
    "what was sent of visitors is forgotten with the ids of hosts, also while counting",
    COUNTER,
    "      this.#visitors?.forgetHosts();\n",
    "",
  ),
  unit("bots are not visitors", COUNTER, "reader.bot === 0 ? this.#visitors : null", "this.#visitors"),
  unit(
    "late records change no sketch",
    COUNTER,
    "      tally.late++;\n",
    "      tally.late++;\n      const known = this.#visitors?.saltOf(windowStart);\n      if (known && reader.bot === 0) this.#addVisitor(this.#visitors!, windowStart, known);\n",
  ),
  unit(
    "a record waits for the salt of its day",
    COUNTER,
    "          this.#stopBefore(offset, end - start, windowStart);\n          return;\n        }\n        this.#addVisitor(",
    "        } else this.#addVisitor(",
  ),
  unit(
    "a record that waits for a salt is not booked",
    COUNTER,
    "    if (this.#rules.offsetsCountRecords) this.#expectedOffset = offset;\n",
    "",
  ),
  unit("salts are forgotten with what was counted", "src/window/visitors.ts", "    this.#salts.clear();\n", ""),
  unit(
    "a commit under a salt that is not the day's is given up",
    COMMITTER,
    'if (outcome.kind === "salt_differs") {',
    'if (outcome.kind === ("never" as string)) {',
  ),
  unit(
    "a day that has no salt makes an instance read its rows again",
    "src/engine/salts.ts",
    "          state.giveUp([]);\n",
    "",
  ),
  unit(
    "values of a dimension follow those of the one before",
    "src/store/encode_breakdown.ts",
    "before + values.of(pairs.value[i]!)",
    "values.of(pairs.value[i]!)",
  ),
  model("a commit under another salt changes nothing", "compareSalts"),
  model("a window has the dimensions that all of its chunks have", "dimensionsOfAllChunks"),
  model("a salt ends with its day", "saltsEnd"),

  // ---- the log
  unit("data gap", LOG_FAULTS, "if (position < logStart) {", "if (position < 0) {"),
  unit("position beyond the end", LOG_FAULTS, "if (position > logEnd) {", "if (position < 0) {"),
  unit("partitions removed", DECISION, "    if (!log) {\n", "    if (!log) continue;\n    if (!log) {\n"),
  unit(
    "topic id at loading",
    DECISION,
    "if (stored.topicId !== null && log.topicId !== null && stored.topicId !== log.topicId) {",
    'if (stored.topicId === "") {',
  ),
  unit(
    "topic id before a commit",
    COMMITS,
    "if (age >= 0 && age <= IDENTITY_AGE_MS_MAX) return new CommitPermit();",
    "if (age === age) return new CommitPermit();",
  ),
  unit(
    "the log's end is judged by a look after the rows",
    "src/engine/log_check.ts",
    "if (!(error instanceof StreamStopped)) throw error;\n    const after",
    "if (error) throw error;\n    const after",
  ),

  // ---- producing
  unit(
    "a partition that an answer leaves out is not acknowledged",
    "src/source/kafka/producer/answers.ts",
    'return errorCode === undefined || PASSING.has(errorCode) ? "again" : "refused";',
    'return errorCode === undefined ? "stored" : PASSING.has(errorCode) ? "again" : "refused";',
  ),
  unit(
    "members of the new group protocol are strangers",
    "src/source/kafka/group_members.ts",
    "newProtocol || !OWN_CLIENT_ID.test(clientId)",
    "!OWN_CLIENT_ID.test(clientId)",
  ),
  unit(
    "a batch keeps its sequence number",
    "src/source/kafka/producer/record_batch.ts",
    "view.setInt32(53, sequence.first);",
    "view.setInt32(53, 0);",
  ),

  source(
    "records deleted under our feet",
    "src/source/kafka/intake.ts",
    "if (reader.firstOffset > from && result.logStart > from) {",
    "if (result.logStart > 1e15) {",
  ),
  source(
    "a refused position is looked into",
    "src/source/kafka/intake.ts",
    "if (result.errorCode === OFFSET_OUT_OF_RANGE) {",
    "if (result.errorCode === -99) {",
  ),
  source(
    "what is fetched under an older ticket is left out",
    "src/source/kafka/intake.ts",
    "if (ticket === null || !assignment.deliverable(partition, ticket)) return null;",
    "if (ticket === null) return null;",
  ),
  source(
    "memory of a response is used again only after all its partitions were counted",
    "src/source/kafka/fetch_hook.ts",
    "if (--held === 0) release();",
    "release();",
  ),
  source(
    "the client is sought back where it is elsewhere",
    "src/source/kafka/intake.ts",
    'if (taken.kind === "misplaced") this.options',
    "if (taken.kind === ('never' as string)) this.options",
  ),
  source(
    "checksums of batches",
    "src/source/kafka/decode/batch_reader.ts",
    "if (this.options.checkCrcs && view",
    "if (!this.options.checkCrcs && view",
  ),
  source(
    "aborted and control records are hidden",
    "src/source/kafka/decode/batch_reader.ts",
    "if (this.#hidden(attributes, base + lastOffsetDelta, end) || count === 0) return null;",
    "if (count === 0) return null;",
  ),
  ...FILE_MUTANTS.map(([guard, file, ...edit]): Mutant => ({ guard, file, edits: [edit], suite: "files" })),
  ...BREAKDOWN_MUTANTS.map(([guard, ...edits]): Mutant => ({
    guard,
    file: "ddl/0011_breakdown.sql",
    edits,
    suite: "postgres",
  })),

  // ---- event time
  unit("late rule", "src/window/tumbling.ts", "return end <= watermark;", "return end < watermark;"),
  unit("future guard", COUNTER, "if (eventTime > seenAt + rules.maxFutureSkew) {", "if (eventTime > seenAt + 1e15) {"),
  unit(
    "watermark from min(event time, record time)",
    COUNTER,
    "(eventTime < seenAt ? eventTime : seenAt) - rules.watermarkDelay",
    "eventTime - rules.watermarkDelay",
  ),
  unit(
    "watermarks never fall",
    COUNTER,
    "if (raised > tracker.watermark) tracker.watermark = raised as EpochMs;",
    "tracker.watermark = raised as EpochMs;",
  ),
  unit(
    "dead letters move no watermark",
    COUNTER,
    '"future_event_time", bytes, start, end, offset);\n      return;',
    '"future_event_time", bytes, start, end, offset);\n      tracker.watermark = Math.max(tracker.watermark, seenAt - rules.watermarkDelay) as EpochMs;\n      return;',
  ),
  unit(
    "record time is not taken above both clocks",
    PIPELINE,
    "epochMs(Math.max(now, serverNow)), serverNow);",
    "Infinity as EpochMs, serverNow);",
  ),
  unit(
    "a clock that was set back makes no future events",
    PIPELINE,
    "epochMs(Math.max(now, serverNow)), serverNow);",
    "now, serverNow);",
  ),
  unit("skipped offsets are booked", COUNTER, "tracker.tally.skipped += next - this.#expectedOffset;", ""),
  unit(
    "idle only when caught up",
    IDLE,
    "if (rule.idleTimeout === null || !evidence.caughtUp) return null;",
    "if (rule.idleTimeout === null) return null;",
  ),
  unit(
    "caught up means the log's end, not the last stable offset",
    PIPELINE,
    "caughtUp: batch.next === batch.logEnd && age >= 0,",
    "caughtUp: batch.next === batch.lastStable && age >= 0,",
  ),
  unit(
    "idle only after the timeout",
    IDLE,
    "if (evidence.sentAt < evidence.raisedAt + rule.idleTimeout) return null;",
    "",
  ),
  unit(
    "idle is bounded by the highest counted window",
    IDLE,
    "Math.min(clockBound, evidence.maxWindowEnd)",
    "clockBound",
  ),
  unit("idle is bounded by the clock", IDLE, "Math.min(clockBound, evidence.maxWindowEnd)", "evidence.maxWindowEnd"),
  unit(
    "idle knows what other instances counted",
    STATE,
    "let maxWindowEnd = this.#storedMaxWindowEnd;",
    "let maxWindowEnd: EpochMs = NEVER;",
  ),
  unit(
    "idle goes by the lesser of two clocks",
    PIPELINE,
    "sentAt: epochMs(Math.min(batch.sentAt, serverNow - age)),",
    "sentAt: batch.sentAt,",
  ),
  unit(
    "silence goes by PostgreSQL's clock",
    STATE,
    "return epochMs(Math.floor(this.#server.now + this.parts.clock.steady() - this.#server.at));",
    "return this.parts.clock.now();",
  ),
  unit(
    "lengths of time go by a clock that cannot be set",
    COMMITS,
    "const now = clock.steady();\n    const dirty",
    "const now = clock.now();\n    const dirty",
  ),
  unit("an idle advance is committed, not only kept", "src/window/tracker.ts", "|| this.idleAdvances.length > 0", ""),

  unit(
    "a fault seen from positions that others have moved stops no instance",
    "src/engine/halt.ts",
    "const fault = await confirmed(state, stored, before);",
    "const fault: StreamStopped | null = state.stopped;",
  ),
  unit(
    "a fault that was read after the partition was given up stops no instance",
    "src/engine/halt.ts",
    "const seenFromStored = !state.stoodOnGivenUp && ",
    "const seenFromStored = ",
  ),
  unit(
    "a commit that is due at a stop is the last one",
    COMMITS,
    "|| now < this.#notBefore || signal.aborted) return;",
    "|| now < this.#notBefore) return;",
  ),
  unit(
    "a stop by the name that the positions give it",
    "src/engine/halt.ts",
    "      return error;\n",
    "      return state.stopped;\n",
  ),
  unit(
    "readiness returns when the broker does",
    PIPELINE,
    'if (state.reason?.by === "source" && !state.wanted) state.running();',
    "",
  ),

  // ---- closing
  unit(
    "a failed closing is tried again",
    "src/store/closer.ts",
    "if (failingMs >= waitMs) throw error;",
    "throw error;",
  ),

  // ---- what lives in SQL, taken away from the model: does the simulation notice?
  model("id compare", "compareIds"),
  model("offset compare", "compareOffsets"),
  model("all rows or nothing", "allOrNothing"),
  model("lock on closing", "lockOnClose"),
  model("watermarks read after the lock", "watermarksAfterLock"),
  model("global minimum over all partitions", "minimumOverAll"),
  model("a new partition's watermark", "newPartitionAtClosedThrough"),
  model("join leaves rows as they are", "joinKeepsRows"),

  // ---- the same in ddl/, over PostgreSQL
  sql("id compare", [
    "t.commit_id = x.old_commit_id and t.next_offset = x.old_next_offset and not t.retired;",
    "t.next_offset = x.old_next_offset and not t.retired;",
  ]),
  sql("offset compare", [
    "t.commit_id = x.old_commit_id and t.next_offset = x.old_next_offset and not t.retired;",
    "t.commit_id = x.old_commit_id and not t.retired;",
  ]),
  sql("all rows or nothing", ["if moved <> jsonb_array_length(p_partitions) then", "if moved = 0 then"]),
  sql(
    "rows are locked in order",
    [
      "  perform from stream_partition t join jsonb_to_recordset(p_partitions)",
      "  perform pg_sleep(0.002) from stream_partition t join jsonb_to_recordset(p_partitions)",
    ],
    [
      "    order by t.partition for update of t;",
      "    order by case when hashtext(p_commit_id::text) % 2 = 0 then t.partition else -t.partition end for update of t;",
    ],
  ),
  sql("watermarks never fall", [
    "watermark = greatest(t.watermark, tidemark_time_v1(x.watermark)),",
    "watermark = tidemark_time_v1(x.watermark),",
  ]),
  sql("isolation level of commits", [
    "  moved integer;\n  size interval;\nbegin\n  perform tidemark_require_read_committed_v1();",
    "  moved integer;\n  size interval;\nbegin\n",
  ]),
  sql("isolation level of closings", [
    "  window_digest bytea;\nbegin\n  perform tidemark_require_read_committed_v1();",
    "  window_digest bytea;\nbegin\n",
  ]),
  sql("a closing does not wait for another (SKIP LOCKED)", [
    "select * into s from stream for update skip locked;",
    "select * into s from stream for update;",
  ]),
  sql("lock on closing", ["select * into s from stream for update skip locked;", "select * into s from stream;"]),
  sql(
    "watermarks read after the lock",
    [
      "  select min(watermark) into through from stream_partition where not retired;\n  through := coalesce",
      "  through := coalesce",
    ],
    [
      "  select * into s from stream for update skip locked;\n",
      "  select min(watermark) into through from stream_partition where not retired;\n  perform pg_sleep(0.5);\n" +
      "  select * into s from stream for update skip locked;\n",
    ],
  ),
  sql("global minimum over all partitions", [
    "select min(watermark) into through from stream_partition where not retired;",
    "select max(watermark) into through from stream_partition where not retired;",
  ]),
  sql("a partition before all time holds windows open", [
    "through := coalesce(through, '-infinity');",
    "through := coalesce(nullif(through, '-infinity'), 'infinity');",
  ]),
  sql("window end, not start, against the watermarks", [
    "if w is null or w + size > through then",
    "if w is null or w > through then",
  ]),
  sql("sum of hits at closing", ["written_hits is distinct from expected_hits or ", ""]),
  sql("sum of bot hits at closing", [" or written_bots is distinct from expected_bots then", " then"]),
  sql("deltas go with their window", ["  delete from open_delta d where d.window_start = w;\n", ""]),
  join("a new partition's watermark", [
    "select x.partition, o.first_offset, o.first_offset, s.closed_through",
    "select x.partition, o.first_offset, o.first_offset, '-infinity'::timestamptz",
  ]),
  join("partitions added later start at the log's start", [
    "case when first_start then x.start_offset else x.log_start end",
    "x.start_offset",
  ]),
  join("join by NOT EXISTS", [
    "    where not exists (select from stream_partition t where t.partition = x.partition)\n    order by x.partition;",
    "    order by x.partition\n    on conflict (partition) do update set updated_at = now();",
  ]),
  join("other settings are refused", ["if difference is not null then", "if false then"]),
  // ---- what is derived from rows
  sql("identity of keys is the text, not a digest", [
    "exclude using hash ((dimension || E'\\x1f' || key) with =)",
    "exclude using hash ((dimension || E'\\x1f' || md5(key)) with =)",
  ], [
    "where k.dimension || E'\\x1f' || k.key = c.dimension || E'\\x1f' || c.key) as key_id",
    "where k.dimension || E'\\x1f' || md5(k.key) = c.dimension || E'\\x1f' || md5(c.key)) as key_id",
  ]),
  compareSql("the text decides which keys a report reads", [
    "md5(k.key) = md5(given) and k.key = given",
    "md5(k.key) = md5(given)",
  ], ["  where p_keys is null or t.key = any(p_keys)\n", "\n"]),
  compareSql("a compared day that is cut and touches a gap is unknown", [
    "case when t.b = p_until then tidemark_day_start_v2((t.a at time zone p_tz)::date + 1, p_tz) else t.b end",
    "t.b",
  ]),
  sql("a day is retired after its roll-up", [
    "  if exists (select from web_traffic_window where window_start >= p.hours_through and window_start < d + day)\n",
    "  if false and exists (select from web_traffic_window where window_start >= p.hours_through and window_start < d + day)\n",
  ]),
  sql("a closed window is bounded in bytes", [
    "from ranked where n >= p_max_keys or bytes > p_max_bytes\n",
    "from ranked where n >= p_max_keys\n",
  ]),
  sql("a day is retired after its hours are packed", [
    "      or exists (select from web_traffic_hour where hour_start < d + day) then",
    "      then",
  ]),
  sql("a day is retired after closed-through", ["if s.closed_through < d + day or exists", "if exists"]),
  sql("a day with an open window is not retired", [
    "if s.closed_through < d + day or exists (select from open_delta where window_start < d + day) then",
    "if s.closed_through < d + day then",
  ]),
  sql("retiring holds the lock of the roll-up", [
    "  late_folded bigint;\nbegin\n  perform tidemark_require_read_committed_v1();\n" +
    "  select * into p from rollup_progress for update skip locked;",
    "  late_folded bigint;\nbegin\n  perform tidemark_require_read_committed_v1();\n  select * into p from rollup_progress;",
  ]),
  sql("late hits of a retired day are kept", [
    "from gone group by 1, country_code",
    "from gone where false group by 1, country_code",
  ]),
  sql("hosts of late hits go with their day", [
    "date_bin(hour, window_start, 'epoch') + hour, kept, kept, country_code",
    "date_bin(hour, window_start, 'epoch') + hour, 'h', kept, country_code",
  ]),
  sql("a drop never queues for the parent's lock", [
    "lock table aggregated_web_traffic in access exclusive mode nowait;",
    "lock table aggregated_web_traffic in access exclusive mode;",
  ]),
  sql("a pending detach is finished first", ["order by pending desc, c.relname", "order by c.relname"]),
  sql("only tables of retired days are dropped", [
    "and right(c.relname, 8) < through",
    "and right(c.relname, 8) <= through",
  ]),
  sql("the last day of an ended source is packed", [
    "  if d + day <= p.hours_through or (d + day <= through and",
    "  if d + day <= p.hours_through or (false and",
  ]),
  sql("new day tables have a replica identity", [
    "    execute format('alter table %I replica identity full', child);\n    -- With the bounds as",
    "    -- With the bounds as",
  ]),
  sql("old day tables get a replica identity", [
    "      execute format('alter table %s replica identity full', child);\n",
    "",
  ]),
  sql("late rows have a replica identity", ["alter table late_web_traffic replica identity full;\n", ""]),
  sql("hours have a replica identity", ["alter table web_traffic_hour replica identity full;\n", ""]),
  sql("days have a replica identity", ["alter table web_traffic_day replica identity full;\n", ""]),
  sql("columns of an operator come along", [" including defaults including generated", ""]),
  sql("a digest does not depend on the order of rows", [
    "from (select * from key order by ((host::bigint << 20 | referrer) << 20) | place) k",
    "from key k",
  ]),
  sql("a digest does not depend on the order of texts", [
    'row_number() over (partition by d.kind order by d.value collate "C")',
    "row_number() over (partition by d.kind)",
  ]),
  sql("the empty text behind a list is in no digest", ["t where t.ix <= l.texts", "t"]),
  sql("a window of more rows than a block is hashed in blocks", ["      where keys <= 1000000\n", ""]),
  sql("the end of a window is in its digest", [
    "tidemark_micros_v1(p_first_end), tidemark_micros_v1(p_last_end),",
    "'', '',",
  ]),
  sql("the start of a window is in its digest", [
    "concat_ws(',', tidemark_micros_v1(p_start),",
    "concat_ws(',', '',",
  ]),
  sql("the first event time is the lowest", [
    "first_event_time = least(t.first_event_time,",
    "first_event_time = coalesce(t.first_event_time,",
  ]),
  sql("only ranges without a hole are extended", [
    "      and t.records = t.last_offset - t.first_offset + 1 and x.records",
    "      and x.records",
  ]),
  sql("exact and merged ranges are not mixed", [
    "group by g.partition, g.reason, g.hour, g.positions is not null",
    "group by g.partition, g.reason, g.hour",
  ]),
  sql("the last advance of a position stays", [
    "a.watermark > g.first and a.watermark < g.last;",
    "a.watermark > g.first;",
  ]),
  sql("the first advance of a position stays", [
    "a.watermark > g.first and a.watermark < g.last;",
    "a.watermark < g.last;",
  ]),
  sql("advances that a replay needs stay", [
    "where i.watermark < (select s.retired_through - interval '2 days' from stream s)",
    "where i.watermark < (select s.retired_through from stream s)",
  ]),
  // ---- the roll-up's own conditions, which the model of the reports notices
  sql("an hour is rolled up when its windows are closed", [
    "first_window is null or date_bin(size, h + hour - interval '1 microsecond', 'epoch') + size > through\n" +
    "      or exists (select from open_delta where window_start < h + hour)",
    "first_window is null",
  ]),
  sql("an hour is rolled up when nothing of it is open", [
    "\n      or exists (select from open_delta where window_start < h + hour) then",
    " then",
  ]),
  sql("a day is packed when nothing of it is open", [
    "(d + day <= through and not exists (select from open_delta where window_start < d + day)\n      and not exists",
    "(d + day <= through and not exists",
  ]),
  sql("a day is packed when its last closed window is rolled up", [
    "\n      and not exists (select from web_traffic_window where window_start >= p.hours_through and window_start < d + day)) then",
    ") then",
  ]),
  sql("hours of a packed day go", [
    "    delete from web_traffic_hour where hour_start >= d and hour_start < d + day;\n",
    "",
  ]),
  sql("retired days are booked in the ledger", ["retired_hits = retired_hits + hits_gone, ", ""]),
  sql("reports know what is retired", ["retired_through = greatest(retired_through, d + day), ", ""]),
  // ---- the PostgreSQL client: which server and schema a statement reaches
  network(
    "nothing is asked through functions that lead to another schema",
    CLIENT,
    "if (found.unstamped > 0 && !this.options.unstamped) throw unstamped(this.options.schema, found.unstamped);",
    "",
  ),
  network(
    "of several hosts only a primary is taken",
    CLIENT,
    'if (target === "primary" && (found.standby || found.read_only)) {',
    "if (false) {",
  ),
  network(
    "a statement that is over its deadline is cancelled at the server",
    CLIENT,
    "if (late) cancel(pool, asked);",
    "",
  ),
  network(
    "a statement that is over its deadline ends none beside it",
    CLIENT,
    "if (late && pool.running > 1 && answer !== undefined)",
    "if (false)",
  ),
  network(
    "a cancelled statement that does not end takes its connection along",
    CLIENT,
    "if (!await Promise.race([ended, deadline.catch(() => false)])) this.#discard(pool);",
    "await ended;",
  ),
  network(
    "a cancellation that does not reach the server ends nothing",
    "src/store/postgres/dial.ts",
    "return; // the statement ends by the server's own time limit, or with its connection",
    'throw new Error("not reached");',
  ),
  network(
    "nothing is made on a standby",
    "src/store/postgres/preflight.ts",
    "if (facts.standby || facts.read_only) {",
    "if (facts.read_only) {",
  ),
  source(
    "a password with characters that must be encoded is refused",
    POSTGRES_URL,
    'if (login.includes("@") || path?.includes("@") || path?.includes("/")) refuse(ENCODE);',
    "",
  ),
  source(
    "a query that may be the end of a password is not shown",
    POSTGRES_URL,
    'if (!known && (bare || equals < 0 || part.includes("@")) && query.includes("@")) refuse(ENCODE);',
    "",
  ),
  // ---- the producer: what it calls sent is in the topic, once
  source(
    "a partition that the answer leaves out is not acknowledged",
    ANSWERS,
    "if (errorCode === 0 ||",
    "if (errorCode === undefined || errorCode === 0 ||",
  ),
  source(
    "a batch that the broker knows already is stored",
    ANSWERS,
    "if (errorCode === 0 || errorCode === DUPLICATE_SEQUENCE) return",
    "if (errorCode === 0) return",
  ),
  source(
    "a batch carries its sequence number",
    "src/source/kafka/producer/record_batch.ts",
    "view.setInt32(53, sequence.first);",
    "",
  ),
  produce(
    "partitions and bytes are fixed before the first try",
    "pending ??= await this.#batches(records);",
    "pending = await this.#batches(records);",
  ),
  produce(
    "what is not acknowledged is sent again",
    "else left.push(batch);",
    'else if (outcome === "refused") left.push(batch);',
  ),
  // ---- turns of the embedded database
  steps("an ETag changes with what is final", "src/http/server/caching.ts", "finalThrough ?? 0, ", ""),
  steps("an ETag changes with failing steps", "src/http/server/caching.ts", ", ...failing].join", "].join"),
  steps(
    "commits go before readers that wait",
    TURNS,
    "return commit.shift() ?? work.shift() ?? reader.shift();",
    "return reader.shift() ?? commit.shift() ?? work.shift();",
  ),
  steps(
    "commits go before other work",
    TURNS,
    "return commit.shift() ?? work.shift() ??",
    "return work.shift() ?? commit.shift() ??",
  ),
  steps(
    "a reader is served at last while the stream always has work",
    TURNS,
    "this.#now() - first.since >= READER_PATIENCE_MS",
    "this.#now() - first.since >= Infinity",
  ),
  steps(
    "readers get a fifth of the time at most",
    TURNS,
    'rank === "reader" ? STREAM_SHARE * ms',
    'rank === "reader" ? 0',
  ),
  steps(
    "what arrived while a reader was served is looked at before the next reader",
    TURNS,
    "void this.#listen().then(() => this.#pass());",
    "this.#pass();",
  ),
  steps("who gives up waiting leaves the queue", TURNS, "queue.splice(queue.indexOf(waiting), 1);", ""),
  // ---- steps that must make progress
  steps(
    "closings that fail turn readiness red",
    READINESS,
    'return fault === null ? [] : [{ code: "closing_failing", reason: fault.reason }];',
    "return [];",
  ),
  steps(
    "a closing that hangs turns readiness red",
    READINESS,
    "silent <= progressTimeoutMs) return null;",
    "silent <= Infinity) return null;",
  ),
  steps(
    "a step that waits is given an hour",
    READINESS,
    'state.state === "failing" ? progressTimeoutMs : WAITING_MS_MAX',
    "progressTimeoutMs",
  ),
  steps(
    "a step that fails on is not new at every try",
    STEPS,
    "const since = before.state === state ? before.since : this.#now();",
    "const since = this.#now();",
  ),
  // ---- what numbers rest on
  steps(
    "time before the first event is unknown",
    COMPLETENESS,
    "const coverage: Coverage = end <= first",
    "const coverage: Coverage = end <= -Infinity",
  ),
  steps("records that are gone are a gap, also behind the newest event", COMPLETENESS, " && (retired || !unknown)", ""),
  steps("time after the newest event is unknown", COMPLETENESS, ": start >= newestEnd &&", ": start >= Infinity &&"),
  steps("the day in which the stream began is partly covered", COMPLETENESS, ": start < first", ": start < -Infinity"),
  steps("retired days are marked", COMPLETENESS, '    : retired\n    ? "retired"', '    : false\n    ? "retired"'),
  steps(
    "windows before the first event are not expected",
    COMPLETENESS,
    "windowsExpected: windowsExpected - before,",
    "windowsExpected,",
  ),
  steps(
    "a day is final when the last window that starts in it is",
    COMPLETENESS,
    "Math.ceil(end / windowSizeMs) * windowSizeMs",
    "end",
  ),
  compareSql("days before the stream are null", [
    "case when known[2] then coalesce(l.previous, 0)::bigint end,",
    "coalesce(l.previous, 0)::bigint,",
  ]),
  sql("the SQL report is final when its last window is", [
    "date_bin(x.size, p_time + x.size - interval '1 microsecond', 'epoch')",
    "p_time",
  ]),
];
