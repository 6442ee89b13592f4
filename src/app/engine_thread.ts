// The main thread's side of an engine in a thread of its own. Shell: starts a Worker. Part of the composition root.
import type { GeoCounts } from "../geo/geo_state.ts";
import type { BrokenRecords, SharedGeo } from "../geo/shared_geo.ts";
import type { SteadyClock } from "../shared/clock.ts";
import { BugError, NamedError } from "../shared/errors.ts";
import type { FolderLock } from "../shared/folder_lock.ts";
import type { Log } from "../shared/log.ts";
import type { PipelineSnapshot } from "../shared/snapshot.ts";
import type { EpochMs } from "../shared/units.ts";
import type { FromThread, ThreadStart, ToThread } from "./engine_messages.ts";
import { memberNote } from "./sources.ts";

/** After this time without a message, the event loop of a thread is stuck: one step (a batch, the texts of a commit) takes under a second. */
export const SILENCE_MS_MAX = 30_000;
/** Added to the engine's own deadline for its last commit and for leaving the group. */
const STOP_GRACE_MS = 2_000;
/** Most frequent `look` message: a page makes many statements at once. */
const LOOK_MS = 1_000;

interface EngineThreadOptions {
  readonly start: Omit<ThreadStart, "notes" | "geo">;
  /** The address databases in use when the thread starts. */
  readonly geo: () => SharedGeo;
  readonly lock: FolderLock | null;
  readonly log: Log;
  readonly clock: SteadyClock;
  /** Shown until the thread has sent a snapshot. */
  readonly before: PipelineSnapshot;
  /** For tests: another program for the thread. */
  readonly module?: URL;
  readonly onCommitted: (durationMs: number, keys: number) => void;
  readonly onClosed: (windowStart: EpochMs, at: EpochMs) => void;
}

/** One thread. `run` may be called once. */
export class EngineThread {
  #worker: Worker | null = null;
  #snapshot: PipelineSnapshot;
  #geo: GeoCounts = { located: 0, walked: 0, missed: 0 };
  #broken: BrokenRecords = {};
  /** When the last `look` message was sent. */
  #lookedAt = -Infinity;
  /** When the last message came, by the steady clock; null while it does not run. */
  #heardAt: number | null = null;

  constructor(private readonly options: EngineThreadOptions) {
    this.#snapshot = options.before;
  }

  /** The thread's last snapshot, at most a quarter of a second old while the thread is not busy. */
  snapshot(): PipelineSnapshot {
    return this.#snapshot;
  }

  /** The engine's name if its thread runs and was silent for longer than {@link SILENCE_MS_MAX}, else null. */
  get stuck(): string | null {
    const silent = this.#heardAt !== null && this.options.clock.steady() - this.#heardAt > SILENCE_MS_MAX;
    return silent ? this.#snapshot.instance : null;
  }

  get geoCounts(): GeoCounts {
    return this.#geo;
  }

  get brokenRecords(): BrokenRecords {
    return this.#broken;
  }

  /** A reader asks for committed data. */
  look(): void {
    const now = this.options.clock.steady();
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    this.#send({ kind: "look" });
  }

  /** Replaces the address databases. */
  useGeo(geo: SharedGeo): void {
    this.#send({ kind: "geo", geo });
  }

  /**
   * Runs the engine until the signal aborts.
   *
   * @throws NamedError with code, exit code and text of the error that ended the engine in its thread
   */
  async run(signal: AbortSignal): Promise<void> {
    const { start, geo, lock } = this.options;
    const note = memberNote(String(start.number));
    const known = await lock?.readNote(note);
    const ended = Promise.withResolvers<void>();
    this.#heardAt = this.options.clock.steady();
    const worker = this.#worker = new Worker(this.options.module ?? new URL("./engine_worker.ts", import.meta.url), {
      type: "module",
      name: `engine-${start.number}`,
    });
    worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
      this.#heardAt = this.options.clock.steady();
      if (data.kind !== "ended") return this.#take(data);
      if (data.failure === null) ended.resolve();
      else {
        const { code, lines, exitCode, action } = data.failure;
        ended.reject(new NamedError(code, lines.join("\n"), exitCode, action));
      }
    };
    worker.onerror = (event) => {
      event.preventDefault();
      ended.reject(new BugError(`Engine ${start.number} failed: ${event.message}`));
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = () => {
      this.#send({ kind: "stop" });
      // Records that a hanging thread has not committed are read again.
      timer = setTimeout(() => ended.resolve(), start.settings.SHUTDOWN_TIMEOUT + STOP_GRACE_MS);
    };
    this.#send({ kind: "start", start: { ...start, geo: geo(), notes: known === undefined ? {} : { [note]: known } } });
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    try {
      await ended.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      this.#worker = null;
      this.#heardAt = null;
      worker.terminate();
    }
  }

  #send(message: ToThread): void {
    this.#worker?.postMessage(message);
  }

  #take(message: Exclude<FromThread, { kind: "ended" }>): void {
    const { log, lock, onCommitted, onClosed } = this.options;
    switch (message.kind) {
      case "alive":
        return;
      case "snapshot":
        this.#snapshot = message.snapshot;
        this.#geo = message.geo;
        this.#broken = message.broken;
        return;
      case "committed":
        return onCommitted(message.durationMs, message.keys);
      case "closed":
        return onClosed(message.windowStart, message.at);
      case "log":
        return log[message.level](message.message, message.fields);
      case "note":
        void lock?.writeNote(message.name, message.text).catch(() => log.debug("cannot keep the member id"));
        return;
    }
  }
}
