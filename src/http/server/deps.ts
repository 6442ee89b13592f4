// The dependencies of the HTTP application, and the types that its files share. No I/O.
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { GeoCounts, GeoState } from "../../geo/geo_state.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import type { Registry } from "../../shared/metrics.ts";
import type { PipelineSnapshot } from "../../shared/snapshot.ts";
import type { Steps, UpkeepStep } from "../../shared/steps.ts";
import { type DurationMs, durationMs } from "../../shared/units.ts";
import type { ReadDatabase } from "../../shared/sql.ts";

/** One effective setting; `value` is `(hidden)` for secrets. */
export interface SettingView {
  readonly name: string;
  readonly value: string;
  readonly source: string;
}

/** Who may read. Only SHA-256 hashes of the tokens are kept. */
export interface AccessSettings {
  readonly readTokenHash?: Uint8Array;
  readonly adminTokenHash?: Uint8Array;
  /** Of the token for charts only. */
  readonly chartTokenHash?: Uint8Array;
  /** Of the token in share links. */
  readonly shareTokenHash?: Uint8Array;
  /** Whether anyone may read without a token. */
  readonly publicAccess: boolean;
  /** Whether anyone may read `/metrics` without a token. */
  readonly publicMetrics?: boolean;
}

export interface AppSettings {
  readonly access: AccessSettings;
  /** Deadline of a statement. */
  readonly queryTimeoutMs: DurationMs;
  /** Deadline of a statement that adds up rows again (`deep=true`). */
  readonly deepQueryTimeoutMs: DurationMs;
  /** Readiness is red if an owned partition has neither made progress nor been at the log's end for this long. */
  readonly progressTimeoutMs: DurationMs;
  readonly watermarkDelayMs: DurationMs;
  /** null: an idle partition holds windows open until its next record. */
  readonly idleTimeoutMs: DurationMs | null;
  /** A window's rows should be visible so soon after its end. */
  readonly freshnessObjectiveMs: DurationMs;
  /** Most statements of the API that run or wait at once. */
  readonly queriesMax: number;
  /** Whether the database is part of this process: if it does not answer, it is only busy. */
  readonly embedded: boolean;
  /** Limit for each client; null = none. */
  readonly rateLimit: { readonly perSecond: number; readonly burst: number } | null;
  /** Number of trusted proxies: so many addresses at the end of X-Forwarded-For, with the peer's, are theirs. */
  readonly proxyHops: number;
  /** Most `/v1/events` clients at once. */
  readonly eventClientsMax: number;
  /** Origins whose pages may read the API; `*` = any. */
  readonly corsOrigins: readonly string[];
}

/** Defaults; times in ms. */
export const APP_DEFAULTS = {
  queryTimeoutMs: durationMs(5_000),
  deepQueryTimeoutMs: durationMs(30_000),
  progressTimeoutMs: durationMs(30_000),
  freshnessObjectiveMs: durationMs(180_000),
  // The connection pool is smaller, so this limits the queue.
  queriesMax: 64,
  embedded: false,
  // A dashboard makes about 15 requests when it opens; ten of them may open at once behind one address.
  rateLimit: { perSecond: 50, burst: 200 },
  proxyHops: 0,
  eventClientsMax: 100,
  corsOrigins: [],
} as const;

/** Defaults for the embedded database, whose readers share one session with the stream. */
export const EMBEDDED_DEFAULTS = {
  queriesMax: 24,
  embedded: true,
} as const;

export interface AppDeps {
  /** Used for reading only. */
  readonly database: ReadDatabase;
  /** For writing views and notes; absent in a process that only reads. */
  readonly writes?: ReadDatabase;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Registry;
  readonly version: string;
  /** One per running engine; empty in `tidemark serve`. */
  readonly snapshots: () => readonly PipelineSnapshot[];
  /** Called before a reader's statement; absent without engines. */
  readonly onRead?: () => void;
  /** Engines whose threads no longer respond; absent without threads. */
  readonly stuckEngines?: () => readonly string[];
  /** Roll-ups, retention and upkeep of this process; absent in `tidemark serve`. */
  readonly upkeep?: () => Steps<UpkeepStep>;
  readonly geo: () => GeoState | null;
  /** Lookups of this process's engines; absent without engines. */
  readonly geoCounts?: () => GeoCounts;
  readonly settings: AppSettings;
  readonly settingsView: readonly SettingView[];
}

/**
 * What a caller may see: `none` only the probes, `chart` the charts, `share` the overview with its reports and charts, `read` everything except
 * samples of dead letters, `admin` everything.
 */
export type Scope = "none" | "chart" | "share" | "read" | "admin";

/** The part of node:http's request that we use; absent in tests and in-process calls. */
interface PeerBindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string | undefined } };
}

export interface AppEnv {
  Variables: { requestId: string; scope: Scope; secureHeadersNonce?: string };
  Bindings: PeerBindings;
}

export type App = OpenAPIHono<AppEnv>;
export type AppContext = Context<AppEnv>;
