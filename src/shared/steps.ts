// The state of each step that must make progress: ok, waiting or failing, since when, and why. No I/O.
import type { Clock } from "./clock.ts";
import { type Refusal, refusalOf } from "./refusal.ts";
import type { EpochMs } from "./units.ts";

/** Steps of an engine. */
export const ENGINE_STEPS = ["commit", "closing", "compaction"] as const;
/** Steps of a process, beside its engines. */
export const UPKEEP_STEPS = ["roll_up", "retention", "upkeep", "notify"] as const;
export type EngineStep = typeof ENGINE_STEPS[number];
export type UpkeepStep = typeof UPKEEP_STEPS[number];
export type StepName = EngineStep | UpkeepStep;

/** The state of one step. */
export interface StepState {
  /** waiting: another step or a lock has to come first, which is not a fault by itself. */
  readonly state: "ok" | "waiting" | "failing";
  readonly since: EpochMs;
  /** Why it fails or waits; `null` while it is ok. */
  readonly problem: Refusal | null;
  /** When it last succeeded, also if there was nothing to do; `null` before the first time. */
  readonly lastSuccessAt: EpochMs | null;
}

/** A step that was not tried yet. */
export const unknownStep = (since: EpochMs): StepState => ({ state: "ok", since, problem: null, lastSuccessAt: null });

export type Steps<Name extends StepName = StepName> = Readonly<Record<Name, StepState>>;

/** Keeps the states of some steps. */
export class StepBoard<Name extends StepName> {
  readonly #now: () => EpochMs;
  readonly #states: Record<Name, StepState>;

  constructor(names: readonly Name[], clock: Pick<Clock, "now">) {
    this.#now = () => clock.now();
    const first = unknownStep(clock.now());
    this.#states = Object.fromEntries(names.map((name) => [name, first])) as Record<Name, StepState>;
  }

  /** The step succeeded, or there was nothing to do. */
  succeeded(name: Name): void {
    const { state, since } = this.#states[name], now = this.#now();
    this.#states[name] = { state: "ok", since: state === "ok" ? since : now, problem: null, lastSuccessAt: now };
  }

  /** The step has work, but something else has to come first. */
  waits(name: Name, problem: Omit<Refusal, "sqlstate">): void {
    this.#set(name, "waiting", { ...problem, sqlstate: null });
  }

  failed(name: Name, error: unknown): void {
    this.#set(name, "failing", refusalOf(error));
  }

  /** A copy of all states. */
  states(): Steps<Name> {
    return { ...this.#states };
  }

  #set(name: Name, state: "waiting" | "failing", problem: Refusal): void {
    const before = this.#states[name];
    const since = before.state === state ? before.since : this.#now();
    this.#states[name] = { ...before, state, since, problem };
  }
}
