// `run --once`: whether everything up to the end offsets of the first look is read and committed. I/O only through the ports.
import { Unavailable } from "../shared/errors.ts";
import { epochMs } from "../shared/units.ts";
import { NO_WAIT } from "../window/idle.ts";
import type { Commits } from "./commits.ts";
import { advanceIfIdle } from "./idle.ts";
import type { Steady } from "./parts.ts";
import type { EngineState } from "./state.ts";

/** Decides when a run with `once` ends. */
export class Once {
  /** When the engine was last seen running. */
  #ranAt: Steady;

  constructor(private readonly state: EngineState, private readonly commits: Commits) {
    this.#ranAt = state.parts.clock.steady();
  }

  /** Whether a server has been absent for longer than `waitMs`. */
  get waitedTooLong(): boolean {
    const { parts, settings } = this.state;
    return parts.clock.steady() - this.#ranAt > settings.waitMs;
  }

  /**
   * Whether all records and idle advances are committed, so that the windows can be closed.
   *
   * @throws Unavailable if a server stays absent
   */
  async allIsIn(signal: AbortSignal): Promise<boolean> {
    const state = this.state, { clock } = state.parts;
    this.#judgeAbsence();
    if (!this.#allIsRead() || !await this.#settled(signal)) return false;
    const now = clock.now();
    for (const tracker of state.trackers.values()) {
      advanceIfIdle(state, tracker, {
        sentAt: epochMs(Math.min(now, state.serverTime())),
        caughtUp: tracker.logEnd === null || tracker.position >= tracker.logEnd,
        idleTimeout: state.settings.idleTimeout === null ? null : NO_WAIT,
      });
    }
    return await this.#settled(signal);
  }

  #judgeAbsence(): void {
    const { phase, reason, settings, parts } = this.state;
    if (phase === "running") this.#ranAt = parts.clock.steady();
    else if (this.waitedTooLong) {
      throw new Unavailable(
        reason?.code ?? "unavailable",
        `There was no progress for ${Math.round(settings.waitMs / 1000)} s: ${reason?.text ?? "unknown"}`,
        reason?.action || "Start the server or check its address, then run again; `--wait` sets how long to try.",
      );
    }
  }

  #allIsRead(): boolean {
    const { wanted, assignment, stopped, trackers, targets } = this.state;
    // A contested partition has no tracker.
    if (wanted || !assignment || stopped) return false;
    return assignment.partitions.every((partition) => {
      const tracker = trackers.get(partition);
      return tracker !== undefined && tracker.position >= (targets.get(partition) ?? Infinity);
    });
  }

  /** Whether everything that was counted is committed. If not, the loop calls again. */
  async #settled(signal: AbortSignal): Promise<boolean> {
    const state = this.state;
    try {
      await this.commits.settle("end", signal);
    } catch (error) {
      if (error instanceof Unavailable) return false;
      throw error;
    }
    return !state.wanted && !state.stopped && !signal.aborted;
  }
}
