// Starts assigned partitions from their stored rows, after a check against the log. I/O only through the ports.
import { sourceUnavailable } from "../shared/faults.ts";
import { checkRules, parseStreamRules, rulesJson, sameRules } from "../event/stream_rules.ts";
import { movedPartitions } from "../store/decision.ts";
import type { NewPartition, StoredState } from "../store/port.ts";
import { invariant, messageOf, NamedError, StreamStopped, Unavailable } from "../shared/errors.ts";
import type { Offset, PartitionId } from "../shared/units.ts";
import type { LogIdentity } from "../source/port.ts";
import { Tracker } from "../window/tracker.ts";
import type { Commits } from "./commits.ts";
import { checkStoredPositions } from "./log_check.ts";
import { RETRY_MS, type Wanted } from "./parts.ts";
import type { EngineState } from "./state.ts";

/** Loads the positions of one engine. */
export class Loading {
  constructor(private readonly state: EngineState, private readonly commits: Commits) {}

  /**
   * Starts the wanted partitions: 1. commit pending counts (safe for partitions that are no longer ours too, because a commit compares the
   * stored positions), 2. look at the log, 3. make a row for each new partition, 4. read the rows, 5. take over the stored rules of reading,
   * 6. check the positions against the log, 7. seek. A step that fails is tried again a moment later.
   */
  async loadIfWanted(signal: AbortSignal): Promise<void> {
    const state = this.state, { source, store, clock, log } = state.parts;
    state.reclaimContested();
    const { wanted, assignment } = state;
    if (!wanted || !assignment || clock.steady() < wanted.notBefore) return;
    try {
      if (wanted.settle) { // 1
        await this.commits.settle("rebalance", signal);
        if (signal.aborted || state.stopped) return;
        if (state.wanted !== wanted) return; // fenced: another list of partitions is wanted now
        state.forget();
      }
      const identity = await source.identify(); // 2
      const partitions = await this.#newPartitions(identity);
      await store.join({ ...state.settings.stream, topicId: identity.topicId }, partitions); // 3
      const stored = await store.read(); // 4
      invariant(stored !== null, "the stream row exists after joining");
      state.storeAnswered(stored);
      if (stored.stopped) return state.stoppedByStore(stored.stopped);
      if (!this.#readsByStoredRules(stored)) return; // 5
      await checkStoredPositions(state, stored, identity); // 6
      state.topicId = stored.topicId;
      const positions = this.#track(wanted, stored, identity);
      state.expectation++;
      state.wanted = null;
      state.running();
      if (state.settings.once && identity.partitions.length > assignment.partitions.length) {
        log.info("the group has other members: this run covers its own share", { partitions: assignment.partitions });
      }
      source.resume(assignment.generation, positions); // 7
    } catch (error) {
      if (error instanceof StreamStopped) return state.stop(error);
      if (error instanceof NamedError && !(error instanceof Unavailable)) throw error;
      if (error instanceof Unavailable) {
        state.waiting(error.code, error.message, {
          action: error.action,
          by: error.code === "postgres_unavailable" ? "store" : undefined,
        });
      } else state.storeFailed(error);
      log.warn("cannot load positions yet", { error: messageOf(error) });
      wanted.notBefore = clock.steady() + RETRY_MS;
    }
  }

  /**
   * Makes the reader apply the stored rules. False if an operator has switched the rules since records were counted: the switch changed the
   * commit ids, so counts by the old rules are given up.
   *
   * @throws UsageError `rules_unknown`, `event_rules_differ`
   */
  #readsByStoredRules(stored: StoredState): boolean {
    const state = this.state, { reader, log } = state.parts;
    const rules = parseStreamRules(stored.rules);
    checkRules(rules, state.settings.stream.rules);
    if (state.rules !== null && sameRules(state.rules, rules)) return true;
    if (state.trackers.size > 0) {
      state.giveUp(movedPartitions(state.trackers.values(), stored.rows));
      return false;
    }
    reader.use(rules);
    state.visitors?.forgetHosts();
    state.rules = rules;
    log.info("events are read by the stored rules", { rules: rulesJson(rules) });
    return true;
  }

  /** Makes a tracker for each wanted partition that is not retired. Returns the position of each. */
  #track(wanted: Wanted, stored: StoredState, identity: LogIdentity): Map<PartitionId, Offset> {
    const state = this.state, now = state.parts.clock.now();
    const rows = new Map(stored.rows.map((row) => [row.partition, row]));
    const missing = [...wanted.partitions].filter((partition) => !rows.has(partition));
    if (missing.length > 0) {
      // Our metadata lag behind the group's, or the database was just restored. Skipped partitions would never be read, so try again.
      throw sourceUnavailable(`the topic's metadata do not show partition ${missing.join()} yet`);
    }
    const positions = new Map<PartitionId, Offset>();
    for (const partition of wanted.partitions) {
      const row = rows.get(partition)!;
      if (row.retired) continue;
      const tracker = new Tracker(row, now);
      const bounds = identity.partitions.find((p) => p.partition === partition);
      if (bounds) {
        tracker.logEnd = bounds.logEnd;
        if (!state.targets.has(partition)) state.targets.set(partition, bounds.logEnd);
      }
      state.trackers.set(partition, tracker);
      if (!state.begins.has(partition)) state.begins.set(partition, row.nextOffset);
      positions.set(partition, row.nextOffset);
    }
    return positions;
  }

  async #newPartitions(identity: LogIdentity): Promise<NewPartition[]> {
    const { targets, settings } = this.state;
    return await Promise.all(identity.partitions.map(async (bounds) => ({
      partition: bounds.partition,
      startOffset: targets.size === 0 ? await settings.startOffset(bounds) : bounds.logStart,
      logStart: bounds.logStart,
      ...(bounds.logs !== undefined && { logs: bounds.logs }),
    })));
  }
}
