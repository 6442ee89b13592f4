// Brings assigned partitions to flow, from the rows that are stored and the log that is there. I/O only through the ports.
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
import { RETRY_MS } from "./parts.ts";
import type { EngineState, Wanted } from "./state.ts";

/** The loading of positions of one engine. */
export class Loading {
  readonly #state: EngineState;
  readonly #commits: Commits;

  constructor(state: EngineState, commits: Commits) {
    this.#state = state;
    this.#commits = commits;
  }

  /**
   * Brings wanted partitions to flow: 1. settle what is pending (the compare makes that safe also for partitions that are no longer ours),
   * 2. see what the log holds, 3. make sure that every partition has a row, 4. read the rows, 5. read events by the rules that are stored with them, 6. check them against the log, 7. seek.
   * What fails is tried again a moment later.
   */
  async loadIfWanted(signal: AbortSignal): Promise<void> {
    const state = this.#state, { source, store, clock, log } = state.parts;
    state.reclaimContested();
    const { wanted, assignment } = state;
    if (!wanted || !assignment || clock.steady() < wanted.notBefore) return;
    try {
      if (wanted.settle) { // 1
        await this.#commits.settle("rebalance", signal);
        if (signal.aborted || state.stopped) return;
        if (state.wanted !== wanted) return; // fenced meanwhile: everything is wanted anew
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
   * Makes the reader read by the stored rules. False where memory rests on other ones: an operator has switched the rules since, and the new
   * commit ids fence what was counted by the old ones.
   *
   * @throws UsageError `rules_unknown`, `event_rules_differ`
   */
  #readsByStoredRules(stored: StoredState): boolean {
    const state = this.#state, { reader, log } = state.parts;
    const rules = parseStreamRules(stored.rules);
    checkRules(rules, state.settings.stream.rules);
    if (state.rules !== null && sameRules(state.rules, rules)) return true;
    if (state.trackers.size > 0) {
      state.giveUp(movedPartitions(state.trackers.values(), stored.rows));
      return false;
    }
    reader.use(rules);
    state.rules = rules;
    log.info("events are read by the stored rules", { rules: rulesJson(rules) });
    return true;
  }

  /** Makes a tracker for each wanted partition that is not retired; returns where each goes on. */
  #track(wanted: Wanted, stored: StoredState, identity: LogIdentity): Map<PartitionId, Offset> {
    const state = this.#state, now = state.parts.clock.now();
    const rows = new Map(stored.rows.map((row) => [row.partition, row]));
    const missing = [...wanted.partitions].filter((partition) => !rows.has(partition));
    if (missing.length > 0) {
      // The metadata that we were shown lags behind the group's, or the database was restored a moment ago: left out, they would never be read.
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
    const { targets, settings } = this.#state;
    return await Promise.all(identity.partitions.map(async (bounds) => ({
      partition: bounds.partition,
      startOffset: targets.size === 0 ? await settings.startOffset(bounds) : bounds.logStart,
      logStart: bounds.logStart,
      ...(bounds.logs !== undefined && { logs: bounds.logs }),
    })));
  }
}
