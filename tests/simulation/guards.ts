// The conditions that no mutant takes away, each with the reason: the list of mutants.ts and this one together name every `if` of the folders
// below. Pure.

import { FILES_WITHOUT_MUTANT } from "./files/guards.ts";

/** Where a count can be lost or doubled: each `if` of these files is in a mutant or here. */
export const WITHOUT_MUTANT: Readonly<Record<string, readonly (readonly [text: string, reason: string])[]>> = {
  ...FILES_WITHOUT_MUTANT,
  "src/engine/commits.ts": [
    ["if (!delivery) return;", "unwraps what may be missing"],
    ['if (state.phase === "waiting") state.databaseIsBack();', "what is shown: phase and reason"],
    [
      'if (!due && dirty && !state.catchingUp && this.#passedWindow()) due = "interval";',
      "when, not whether: rows become visible sooner",
    ],
    ['if (due === "interval" && this.#waitsForRelease(now)) return;', "when, not whether: for a second at most"],
    ["if (tracker === null || state.catchingUp || this.#passedWindow()", "when, not whether: for a second at most"],
    [
      "if (state.sending) {",
      "redundant: send() asserts that one commit is on its way at a time, and encode freezes it",
    ],
    ["if (!state.mustWait) return;", "memory: without it a delta waits for the one before"],
    ["if (!state.dirty) return;", "redundant: a commit of nothing changes no row"],
    ["if (permit === null) return;", "taken away by the mutant of the topic's id before a commit"],
    ["if (state.dirty) this.send(permit, due, signal);", "redundant: a commit of nothing changes no row"],
    [
      "if (signal.aborted || !state.dirty) return;",
      "redundant: a delivery under an aborted signal is abandoned, and memory dropped",
    ],
    ["if (permit === null) {", "taken away by the mutant of the topic's id before a commit"],
    ["if (reader.memoryBytes > DICTIONARY_SHARE", "memory; when it may happen has a mutant"],
    ["if (Number.isFinite(lowest)) this.#window", "when, not whether: rows become visible sooner"],
    ['if (delivery.kind !== "committed") return;', "what is shown and published; offsets in Kafka are never read"],
    ["if (tracker) tracker.committed = next;", "unwraps what may be missing"],
    ["if (known !== undefined) known.records += records;", "what is shown: the summary of a run"],
    ["if (identity.topicId !== null && state.topicId", "taken away by the mutant of the topic's id before a commit"],
  ],
  "src/engine/halt.ts": [
    ['if (state.stopRecorded) return "stopped";', "redundant: stop() keeps the first name that was recorded"],
    ["if (fault === null) {", "taken away by the mutant of a fault seen from positions that others have moved"],
    [
      "if (stored !== null && SHOWN_BY_POSITIONS",
      "its verdicts have mutants: the name, and positions that others have moved",
    ],
    [
      "if (!(error instanceof StreamStopped)) throw error;",
      "redundant: any other error comes up again at the next try",
    ],
  ],
  "src/engine/idle.ts": [["if (watermark === null) return;", "unwraps what may be missing; the rule has mutants"]],
  "src/engine/loading.ts": [
    ["if (!state.begins.has(partition)) state.begins.set(", "what is shown: progress"],
    [
      "if (!wanted || !assignment || clock.steady() < wanted.notBefore) return;",
      "unwraps what may be missing; a pause between tries",
    ],
    ["if (wanted.settle) {", "its two steps have mutants"],
    [
      "if (signal.aborted || state.stopped) return;",
      "redundant: resume() of a source that ends or is stopped delivers nothing that is counted",
    ],
    [
      "if (state.wanted !== wanted) return;",
      "redundant: rows are read after it, and the compare of a commit refuses what rests on others",
    ],
    [
      "if (stored.stopped) return state.stoppedByStore(stored.stopped);",
      "redundant: the periodic look finds a recorded stop, and no commit passes a stopped stream's checks unseen",
    ],
    ["if (state.settings.once && identity.partitions.length", "a line of the log"],
    [
      "if (error instanceof StreamStopped) return state.stop(error);",
      "redundant for counts: without it the positions are read again and again, and nothing flows",
    ],
    [
      "if (error instanceof NamedError && !(error instanceof Unavailable)) throw error;",
      "wrong settings end the process instead of being tried again; no count depends on it",
    ],
    ["if (error instanceof Unavailable) {", "what is shown: the reason"],
    [
      "if (!this.#readsByStoredRules(stored)) return;",
      "whether memory of older rules is dropped has a mutant; positions are read again",
    ],
    ["if (state.rules !== null && sameRules(", "saves work: the same rules are used again"],
    ["if (row.retired) continue;", "redundant: the compare of a commit refuses a retired row"],
    ["if (bounds) {", "unwraps what may be missing"],
    ["if (!state.targets.has(partition)) state.targets.set(", "where `--once` ends; no count depends on it"],
  ],
  "src/engine/once.ts": [
    [
      "if (!this.#allIsRead() || !await this.#settled(signal)) return false;",
      "where `--once` ends; no count depends on it",
    ],
    ['if (phase === "running") this.#ranAt', "how long `--once` waits for a server"],
    ["else if (this.waitedTooLong) {", "how long `--once` waits for a server"],
    ["if (wanted || !assignment || stopped) return false;", "where `--once` ends; no count depends on it"],
    ["if (error instanceof Unavailable) return false;", "the loop comes again"],
  ],
  "src/engine/pace.ts": [
    ["if (!Number.isFinite(watermark)) return now;", "when records come, not which"],
    ["if (now >= release + LATE_MS) continue;", "when records come, not which"],
    ["if (now >= release - EARLY_MS) return now;", "when records come, not which"],
  ],
  "src/engine/row_watch.ts": [
    ["if (this.#looking || this.#looked || clock.steady()", "how often a look begins"],
    ["if (!stored) return;", "unwraps what may be missing"],
    ["else if (stored.stopped) this.#looked =", "when, not whether: a recorded stop is noticed sooner"],
    ["if (stored.stopped) {", "redundant for counts: a stopped stream is noticed by the next reading of rows"],
    ["if (!state.stopped) state.stoppedByStore(stored.stopped);", "a line of the log is not repeated"],
    ["if (state.stopped) {", "whether an operator's resumption is noticed; no count depends on it"],
    [
      "if (state.stopRecorded) this.onResumed();",
      "redundant: a restart reads the positions again and finds the fault again",
    ],
  ],
  "src/engine/salts.ts": [
    ["if (clock.steady() < this.#notBefore) return false;", "a pause between tries"],
    ["if (salt === undefined) {", "what is done then has a mutant"],
    [
      "if (state.sending === null) {",
      "redundant: positions that are read too early are found by the compare of a commit; it saves that detour",
    ],
    [
      "if (error instanceof NamedError && !(error instanceof Unavailable)) throw error;",
      "wrong settings end the process instead of being tried again; no count depends on it",
    ],
  ],
  "src/engine/state.ts": [
    ["if (!this.assignment) return;", "unwraps what may be missing"],
    ["if (this.contested.size === 0) return;", "saves work"],
    ["if (confirmed.length > 0) this.want(", "saves work"],
    ["if (tracker.dirty) return true;", "decides whether there is something to commit: nothing dirty, nothing lost"],
    ["if (tracker.logEnd !== null && tracker.logEnd - tracker.position", "how often commits are sent"],
    ["if (lowest === null || tracker.watermark < lowest", "how often commits are sent; closings ask the database"],
    [
      "if (tracker.maxWindowEnd > maxWindowEnd) maxWindowEnd",
      "its start value has a mutant: what other instances counted",
    ],
    ["if (this.trackers.size > 0) this.databaseIsBack();", "what is shown: phase and reason"],
    ["if (this.store.lastError !== message) {", "a line of the log is not repeated"],
    ['if (this.phase === "stopped") return;', "what is shown: phase and reason"],
    ['if (this.phase !== "starting") this.phase = "waiting";', "what is shown: phase and reason"],
    ['if (this.reason?.by === "store"', "what is shown: phase and reason"],
  ],
  "src/pipeline.ts": [
    [
      "if (state.wanted || this.#commits.delivered || this.#watch.seen) return SHORT_POLL_MS;",
      "how often the loop looks",
    ],
    ["if (once || state.wanted || state.stopped || state.catchingUp", "when records come, not which"],
    ["if (!await this.#countRest())", "taken away by the mutant of the rest of a batch that was cut"],
    ["if (!whole) {", "taken away by the mutant of the rest of a batch that was cut"],
    ["if (next > batch.from) state.totals.batchesSplit++;", "what is shown: a metric"],
    ["if (rest === null) return false;", "unwraps what may be missing"],
    [
      "if (generation !== state.assignment?.generation || tracker !==",
      "redundant: count() refuses what does not continue at the position, and a commit compares the rows",
    ],
    [
      "if (state.full || (wants !== null",
      "without it the loop turns without a pause: nothing is counted before there is room, and the salt",
    ],
    ["if (permit && ready()) {", "taken away by the mutant of the topic's id before the last commit"],
    ["if (state.stopped) {", "redundant: a stopped engine has dropped its memory, and its source delivers nothing"],
    ["if (settings.once && await this.#once.allIsIn(signal)) {", "where `--once` ends; no count depends on it"],
    ["if (next > batch.from || next >= batch.logEnd) tracker.progressAt", "what is shown: progress"],
    ['if (await holdStopped(state, this.#commits) === "restarted") return;', "saves a pause"],
    ["if (state.settings.once && (state.stopRecorded", "where `--once` ends; no count depends on it"],
    ['if (!state.stopped) state.phase = "stopping";', "what is shown: phase and reason"],
    [
      "if (state.sending) await Promise.race([state.sending, timer]);",
      "redundant: the condition of the last commit asks again",
    ],
  ],
  "src/window/counter.ts": [
    ["if (reader.memoryBytes < maxDictionaryBytes) return;", "memory; what may be forgotten then has a mutant"],
    ["if (this.#full) {", "taken away by the mutant of the record that reaches a bound"],
    ["if (this.#leftFrom < 0) this.#leftFrom = offset;", "asserted: records may not reach beyond where the part ends"],
    ["if (this.bytes >= this.#lookAt) this.#look();", "memory"],
    [
      "if (table.add(reader.host, reader.referrer",
      "memory: what a key that is known already would count twice is its size",
    ],
    ["if (visitors !== null) {", "whether visitors are counted: a setting; that bots are left out has a mutant"],
    ["if (salt === undefined) {", "taken away by the mutant of a record that waits for its salt"],
    ["if (table.pairs !== null) this.#addPairs(", "whether breakdowns are counted: a setting"],
    ["if (page !== null && page.add(", "whether pages are counted: a setting; the size of a new pair"],
    ["if (client !== null && client.add(", "whether clients are counted: a setting; the size of a new pair"],
    ["if (campaign !== null && campaign.add(", "whether campaigns are counted: a setting; the size of a new pair"],
    ["if (isNew) this.#checkBounds();", "saves work: the bounds themselves have a mutant"],
    [
      "if (!visitors.add(windowStart, reader.host, update)) return;",
      "saves work: an update that is sent twice changes nothing; that none is lost has mutants",
    ],
    ["if (this.#rules.offsetsCountRecords) {", "which kind of log it is: the booking of skipped offsets has a mutant"],
    ["if (tracker.watermark > watermark) tracker.raisedAt", "starts the clock of silence, whose rule has mutants"],
    ["if (tracker.recordWatermark >= tracker.watermark) tracker.quietSince", "what is shown: final or provisional"],
    ["if (rules.offsetsCountRecords) {", "which kind of log it is: the booking of skipped offsets has a mutant"],
    ["if (end < 0) {", "tells a tombstone; unit tests hold every kind of record"],
    ["if (code !== READ_OK) {", "tells a dead letter; unit tests hold every kind of record"],
    ["if (code === READ_COMMENT) {", "tells a comment line of a log; unit tests hold every kind of record"],
    ["if (isLate(windowEnd, tracker.watermark)) {", "the rule itself has a mutant"],
    ['if (rules.latePolicy === "store") this.#add', "a setting"],
    ["if (windowEnd > tracker.maxWindowEnd) tracker.maxWindowEnd", "bounds silence, whose rule has mutants"],
    ["if (eventTime > tracker.lastEventTime)", "what is shown: the span of event times"],
    ["if (eventTime < tracker.firstEventTime)", "what is shown: the span of event times"],
    ["if (raised > tracker.recordWatermark) {", "the watermark inside it has a mutant"],
  ],
  "src/source/assignment.ts": [
    ["if (!this.#member) return null;", "saves an event"],
    [
      "if (!this.#flows.has(partition)) continue;",
      "redundant: a partition that is not ours has no fetch, and its commit is refused",
    ],
    [
      "if (flow === undefined || flow.position === null",
      "redundant beside deliverable(), whose comparison of tickets has a mutant",
    ],
  ],
  "src/store/closer.ts": [
    ['if (kind === "closed") continue;', "when, not whether a window is closed"],
    ["if (!signal.aborted) await this.parts.clock.sleep(", "a pause between tries"],
    ['if (outcome.kind === "closed") onClosed(', "what is shown: closed windows"],
    ['if (outcome.kind === "closed") continue;', "saves a pause"],
    ["if (error instanceof CompactionFailed) return;", "where `--once` ends; no count depends on it"],
    ['if (outcome.kind === "nothing") steps', "what is shown: the state of a step"],
    ['if (step === "compaction") steps', "what is shown: the state of a step"],
    ['if (outcome.kind === "nothing") return;', "where `--once` ends; no count depends on it"],
  ],
  "src/store/committer.ts": [
    ['if (outcome.kind === "unknown") {', "what is shown; what is done about it has mutants"],
    ["if (stored) this.events.onRead(stored);", "unwraps what may be missing"],
  ],
  "src/store/decision.ts": [
    ["if (row?.commitId === payload.commitId) committed++;", "how many rows it takes has a mutant"],
    ["else if (row && !row.retired && row.commitId", "how many rows it takes has a mutant"],
    ["if (!row || row.commitId !== commitId", "taken away by the mutant of the periodic look"],
    ["if (row.retired) {", "unit tests hold each kind of row"],
    ["if (!log) continue;", "unwraps what may be missing"],
    ["if (fault !== null) throw fault;", "the two faults have mutants"],
    ["if (!pressure.dirty) return null;", "redundant: a commit of nothing changes no row"],
    ["if (catchingUp) return limits.catchUpIntervalMs;", "how often commits are sent"],
    ['if (pressure.full) return "size";', "memory"],
  ],
};

const TWIN = "a parser: fuzz and unit tests hold every branch against a twin or a property";
const SHELL =
  "a shell: integration tests hold it on real servers, with faults; the compare of a commit guards the counts";
const TABLE = "a data structure: unit tests and properties hold every branch";

/** All other files of the folders, with what holds their conditions instead; the guards among them that are mutants are in mutants.ts. */
export const BY_FILE: readonly (readonly [path: string, reason: string])[] = [
  ["src/source/demo/", "made-up traffic: its records are a pure function of a seed, held by properties"],
  ["src/source/file/likeness.ts", TWIN],
  ["src/source/file/names.ts", TWIN],
  ["src/source/file/pattern.ts", TWIN],
  ["src/source/file/line_reader.ts", TWIN],
  [
    "src/source/file/",
    "a shell: unit tests on a real disk and the model of a file system hold it; what decides has mutants",
  ],
  ["src/source/kafka/producer/", "`tidemark produce`: nothing of it runs where records are counted"],
  ["src/source/kafka/decode/batch_reader.ts", TWIN],
  ["src/source/kafka/decode/codecs.ts", TWIN],
  ["src/source/kafka/decode/fetch_decoder.ts", TWIN],
  ["src/source/kafka/decode/legacy.ts", TWIN],
  ["src/source/kafka/decode/lz4.ts", TWIN],
  ["src/source/kafka/decode/record_run.ts", TWIN],
  ["src/source/kafka/decode/snappy.ts", TWIN],
  ["src/source/kafka/", SHELL],
  ["src/source/lines.ts", TWIN],
  ["src/source/renewable_source.ts", "the simulation puts it around every source"],
  ["src/source/port.ts", "types"],
  ["src/source/lease", SHELL],
  ["src/store/embedded/", SHELL],
  ["src/store/postgres/", SHELL],
  ["src/store/encode", "a dictionary's growth and reuse; what it must not do has mutants"],
  [
    "src/store/maintenance.ts",
    "words and pauses: what may be dropped is decided in ddl/, under the model of tests/model",
  ],
  ["src/store/migrate.ts", "the schema: migrate_test.ts and released_test.ts"],
  ["src/store/", "types"],
  ["src/window/", TABLE],
  ["src/engine/", "types, values that are shown"],
];
