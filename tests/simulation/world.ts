// Virtual time: every wait of the models is an entry of one heap, taken in order of time and, at the same time, in seeded order. No timer, no
// real clock: the same seed gives the same history to the last step.
import type { SteadyClock } from "../../src/shared/clock.ts";
import type { EpochMs } from "../../src/shared/units.ts";
import type { Random } from "./random.ts";

interface Entry {
  readonly at: number;
  readonly tie: number;
  readonly action: () => void;
}

/** Awaits that let the engine run on after one action. Its longest chain between two ports is about twenty; more only costs time. */
const SETTLE_TICKS = 28;

/** The scheduler. */
export class World {
  /** True time, ms. */
  now: number;
  /** Actions taken so far. */
  steps = 0;
  /** Whether the present action may have woken an engine: what only the models do among themselves needs no settling. */
  touched = true;
  readonly #heap: Entry[] = [];
  readonly #random: Random;

  constructor(start: number, random: Random) {
    this.now = start;
    this.#random = random;
  }

  /** Runs `action` after `delay` ms of true time. */
  after(delay: number, action: () => void): void {
    this.#push({ at: this.now + Math.max(0, delay), tie: this.#random.real(), action });
  }

  /** Takes actions until true time `end` or until `done` says so; what the engine does between two of them is driven to rest. */
  async run(end: number, done: () => boolean = () => false): Promise<void> {
    this.touched = false;
    await settle();
    while (!done()) {
      const next = this.#heap[0];
      if (!next || next.at > end) {
        this.now = Math.max(this.now, end);
        return;
      }
      this.#pop();
      this.now = next.at;
      this.steps++;
      next.action();
      if (!this.touched) continue;
      this.touched = false;
      await settle();
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (before(heap[parent]!, entry)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (before(last, heap[child]!)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.tie < b.tie);
}

async function settle(): Promise<void> {
  for (let i = 0; i < SETTLE_TICKS; i++) await undefined;
}

/**
 * One operating-system process: everything that reaches it passes through `reach`. A frozen one (SIGSTOP) gets it when it thaws, a killed one
 * never. Its clock is its own.
 */
export class Process {
  state: "running" | "frozen" | "dead" = "running";
  /** This machine's clock minus true time, ms, beside what its drift has come to. */
  clockOffset = 0;
  readonly world: World;
  readonly name: string;
  #held: (() => void)[] = [];
  readonly #rate: number;
  readonly #start: number;

  /** @param drift how much faster than true time this machine's clocks run, e.g. 0.01 = 1 % */
  constructor(world: World, name: string, drift = 0) {
    this.world = world;
    this.name = name;
    this.#rate = 1 + drift;
    this.#start = world.now;
  }

  /** True time since the start of this process, as its clocks count it. */
  #elapsed(): number {
    return (this.world.now - this.#start) * this.#rate;
  }

  /** Runs `action` in this process after `delay` ms. */
  reach(delay: number, action: () => void): void {
    this.world.after(delay, () => this.enter(action));
  }

  /** Runs `action` in this process now, or when it thaws. */
  enter(action: () => void): void {
    if (this.state === "running") {
      this.world.touched = true;
      action();
    } else if (this.state === "frozen") this.#held.push(action);
  }

  freeze(): void {
    if (this.state === "running") this.state = "frozen";
  }

  thaw(): void {
    if (this.state !== "frozen") return;
    this.state = "running";
    const held = this.#held;
    this.#held = [];
    this.world.touched = true;
    for (const action of held) action();
  }

  kill(): void {
    this.state = "dead";
    this.#held = [];
  }

  /** A promise that resolves in this process once `resolve` is called; the value is computed when it gets there. */
  waiter<T>(): {
    readonly promise: Promise<T>;
    readonly resolve: (value: () => T) => void;
    readonly reject: (error: Error) => void;
  } {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    return {
      promise,
      resolve: (value) => this.enter(() => resolve(value())),
      reject: (error) => this.enter(() => reject(error)),
    };
  }

  readonly clock: SteadyClock = {
    now: () => Math.floor(this.#start + this.#elapsed() + this.clockOffset) as EpochMs,
    steady: () => this.#start + this.#elapsed(),
    sleep: (duration, signal) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (signal?.aborted) resolve();
      else {
        this.reach(duration / this.#rate, resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      }
      return promise;
    },
  };
}
