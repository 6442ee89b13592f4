// What the parts of one process share. Types only.
import type { ReadBundled } from "../geo/install/bundled.ts";
import type { SteadyClock } from "../shared/clock.ts";
import type { LoadedSettings } from "../shared/config/load.ts";
import type { Settings } from "../shared/config/settings.ts";
import type { Log } from "../shared/log.ts";

/** What an engine needs, in the main thread or in a thread of its own. */
export interface EngineContext {
  readonly settings: Settings;
  readonly clock: SteadyClock;
  readonly log: Log;
}

/** What a command needs beside arguments and output. */
export interface ProcessContext extends EngineContext, LoadedSettings {
  /** The country database that comes with the program. */
  readonly bundledPlaces: ReadBundled;
  /** Aborts at the first SIGINT or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
}
