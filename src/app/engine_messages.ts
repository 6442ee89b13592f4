// Messages between the main thread and the thread of an engine. All of them can be cloned. Types only.
import type { PostgresAddress } from "../store/postgres/connect.ts";
import type { GeoCounts } from "../geo/geo_state.ts";
import type { BrokenRecords, SharedGeo } from "../geo/shared_geo.ts";
import type { LogFields, LogLevel } from "../shared/log.ts";
import type { Settings } from "../shared/config/settings.ts";
import type { PipelineSnapshot } from "../shared/snapshot.ts";
import type { EpochMs } from "../shared/units.ts";
import type { Failure } from "../shared/failure.ts";

/** What a thread needs to build its engine. */
export interface ThreadStart {
  readonly settings: Settings;
  readonly address: PostgresAddress;
  /** From 1. */
  readonly number: number;
  readonly waitMs: number;
  readonly geo: SharedGeo;
  /** Notes of a predecessor, by name. */
  readonly notes: Readonly<Record<string, string>>;
}

/** To the thread. After `stop` it makes its last commit. */
export type ToThread =
  | { readonly kind: "start"; readonly start: ThreadStart }
  | { readonly kind: "geo"; readonly geo: SharedGeo }
  /** A reader asks for committed data; at most one message per second. */
  | { readonly kind: "look" }
  | { readonly kind: "stop" };

/** From the thread. `alive` comes every second while its event loop runs; `ended` is the last message. */
export type FromThread =
  | { readonly kind: "alive" }
  | {
    readonly kind: "snapshot";
    readonly snapshot: PipelineSnapshot;
    readonly geo: GeoCounts;
    readonly broken: BrokenRecords;
  }
  | { readonly kind: "committed"; readonly durationMs: number; readonly keys: number }
  | { readonly kind: "closed"; readonly windowStart: EpochMs; readonly at: EpochMs }
  | { readonly kind: "log"; readonly level: LogLevel; readonly message: string; readonly fields: LogFields }
  | { readonly kind: "note"; readonly name: string; readonly text: string }
  | { readonly kind: "ended"; readonly failure: Failure | null };
