// What the HTTP application is given, and the types that its files share. No I/O.
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { GeoCounts, GeoState } from "../../geo/geo_state.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import type { Registry } from "../../shared/metrics.ts";
import type { PipelineSnapshot } from "../../shared/snapshot.ts";
import type { Steps, UpkeepStep } from "../../shared/steps.ts";
import type { DurationMs } from "../../shared/units.ts";
import type { ReadDatabase } from "../../shared/sql.ts";

/** One effective setting; `value` is `(hidden)` for secrets. */
export interface SettingView {
  readonly name: string;
  readonly value: string;
  readonly source: string;
}

/** Who may read. Hashes are SHA-256 of the tokens; the tokens themselves are nowhere. */
export interface AccessSettings {
  readonly readTokenHash?: Uint8Array;
  readonly adminTokenHash?: Uint8Array;
  /** Of the token that reaches charts alone. */
  readonly chartTokenHash?: Uint8Array;
  /** Of the token in share links. */
  readonly shareTokenHash?: Uint8Array;
  /** Readers without a token are let in, from anywhere. */
  readonly publicAccess: boolean;
  /** `/metrics` is answered without a token, from anywhere. */
  readonly publicMetrics?: boolean;
}

export interface AppSettings {
  readonly access: AccessSettings;
  /** Deadline of one database statement of a request. */
  readonly queryTimeoutMs: DurationMs;
  /** Deadline of statements that were asked to re-add rows. */
  readonly deepQueryTimeoutMs: DurationMs;
  /** An owned partition that has neither moved nor been seen caught up for this long makes readiness red. */
  readonly progressTimeoutMs: DurationMs;
  readonly watermarkDelayMs: DurationMs;
  /** `null` where idle partitions hold windows open until their next record. */
  readonly idleTimeoutMs: DurationMs | null;
  /** How soon after its end a window's rows should be visible. */
  readonly freshnessObjectiveMs: DurationMs;
  /** Statements of the API that run or wait at once; more are refused. */
  readonly queriesMax: number;
  /** The database is part of this process: it cannot be away, only busy. */
  readonly embedded: boolean;
  /** Requests of one client; null = no limit. */
  readonly rateLimit: { readonly perSecond: number; readonly burst: number } | null;
  /** Trusted proxies in front: so many addresses at the end of X-Forwarded-For, the peer's included, are theirs. */
  readonly proxyHops: number;
  /** Concurrent `/v1/events` clients. */
  readonly eventClientsMax: number;
  /** Origins whose pages may read the API; `*` = any. Empty: none. */
  readonly corsOrigins: readonly string[];
}

/** Defaults of everything that has no setting of its own; times in ms. */
export const APP_DEFAULTS = {
  queryTimeoutMs: 5_000 as DurationMs,
  deepQueryTimeoutMs: 30_000 as DurationMs,
  progressTimeoutMs: 30_000 as DurationMs,
  freshnessObjectiveMs: 180_000 as DurationMs,
  // A connection pool of 6 lies below it, so this bounds the queue.
  queriesMax: 64,
  embedded: false,
  // A dashboard makes about 15 requests when it opens; ten open at once in one office behind one address stay below this.
  rateLimit: { perSecond: 50, burst: 200 },
  proxyHops: 0,
  eventClientsMax: 100,
  corsOrigins: [],
} as const;

/** What differs over the embedded database, whose readers share one session with the stream. */
export const EMBEDDED_DEFAULTS = {
  queriesMax: 24,
  embedded: true,
} as const;

export interface AppDeps {
  /** Used for reading only. */
  readonly database: ReadDatabase;
  /** For what readers keep (views, notes); absent in a process that only shows. */
  readonly writes?: ReadDatabase;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Registry;
  readonly version: string;
  /** One per running engine; empty where only the API runs (`tidemark serve`). */
  readonly snapshots: () => readonly PipelineSnapshot[];
  /** Called when a reader asks the database for what is committed; absent where no engine runs. */
  readonly onRead?: () => void;
  /** Engines whose threads have stopped turning; absent where none run in threads. */
  readonly stuckEngines?: () => readonly string[];
  /** Roll-ups, retention and upkeep of this process; absent where only the API runs. */
  readonly upkeep?: () => Steps<UpkeepStep>;
  readonly geo: () => GeoState | null;
  /** Look-ups of the engines of this process; absent where none run. */
  readonly geoCounts?: () => GeoCounts;
  readonly settings: AppSettings;
  readonly settingsView: readonly SettingView[];
}

/**
 * What a caller may see: `none` only the probes, `chart` the charts, `share` the overview with its reports and charts, `read` everything but
 * samples of rejected records, `admin` those too.
 */
export type Scope = "none" | "chart" | "share" | "read" | "admin";

/** The part of node:http's request that we look at; absent in tests and in-process calls. */
interface PeerBindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string | undefined } };
}

export interface AppEnv {
  Variables: { requestId: string; scope: Scope; secureHeadersNonce?: string };
  Bindings: PeerBindings;
}

export type App = OpenAPIHono<AppEnv>;
export type AppContext = Context<AppEnv>;
