// /metrics: the Prometheus text of everything in the catalogue. Reads snapshots and, at most every 5 s, the database.
import { createRoute, z } from "@hono/zod-openapi";
import { messageOf } from "../../../shared/errors.ts";
import type { App, AppDeps } from "../../server/deps.ts";
import { countDeliveries } from "../kept/kept_store.ts";
import { readFreshness } from "../stream/freshness.ts";
import type { Metrics } from "./catalogue.ts";
import {
  setFromDatabase,
  setFromFreshness,
  setFromGeo,
  setFromGeoCounts,
  setFromSnapshots,
  setFromSteps,
} from "./values.ts";
import { cached, type DatabaseProbe } from "../../server/probe.ts";
import { readiness } from "../readiness.ts";
import { refusals } from "../schemas.ts";
import { readStreamStats } from "../stream/stream_stats.ts";

const STATS_TTL_MS = 5_000;
const FRESHNESS_TTL_MS = 30_000;
/** Shorter than the interval of scrapes. */
const STATS_TIMEOUT_MS = 2_000;

const route = createRoute({
  method: "get",
  path: "/metrics",
  tags: ["Health"],
  summary: "Metrics in the text format of Prometheus",
  responses: {
    200: { description: "Metrics.", content: { "text/plain": { schema: z.string() } } },
    ...refusals,
  },
});

/** Registers the route. If the database does not answer, only its metrics are missing. */
export function registerMetrics(app: App, deps: AppDeps, metrics: Metrics, probe: DatabaseProbe): void {
  metrics.gauge("tidemark_build_info").set(1, { version: deps.version });
  metrics.gauge("tidemark_freshness_objective_seconds").set(deps.settings.freshnessObjectiveMs / 1000);
  const stats = cached(deps.clock, STATS_TTL_MS, () => readStreamStats(deps.database, STATS_TIMEOUT_MS));
  const objective = { objectiveMs: deps.settings.freshnessObjectiveMs, deadlineMs: STATS_TIMEOUT_MS };
  const deliveries = cached(deps.clock, FRESHNESS_TTL_MS, () => countDeliveries(deps.database, STATS_TIMEOUT_MS));
  const freshness = cached(deps.clock, FRESHNESS_TTL_MS, () => readFreshness(deps.database, objective));

  app.openapi(route, async (c) => {
    const databaseProblem = await probe();
    const [values, fresh, sent] = databaseProblem !== null
      ? [null, null, []]
      : await Promise.all([stats(), freshness(), deliveries()]).catch((error) => {
        deps.log.warn(`metrics without the database: ${messageOf(error)}`);
        return [null, null, []] as const;
      });
    const now = deps.clock.now();
    const snapshots = deps.snapshots();
    const { progressTimeoutMs } = deps.settings;
    const upkeep = deps.upkeep?.();
    const { ready } = readiness({ snapshots, now, progressTimeoutMs, upkeep, databaseProblem });
    metrics.gauge("tidemark_ready").set(ready ? 1 : 0);
    metrics.gauge("tidemark_postgres_up").set(databaseProblem === null ? 1 : 0);
    setFromSnapshots(metrics, snapshots, now);
    setFromSteps(metrics, [...snapshots.map(({ steps }) => steps), ...(upkeep ? [upkeep] : [])], now);
    setFromDatabase(metrics, values, now);
    setFromFreshness(metrics, fresh);
    const messages = metrics.gauge("tidemark_deliveries");
    messages.clear();
    for (const { state, messages: count } of sent) messages.set(count, { state });
    setFromGeo(metrics, deps.geo(), now);
    if (deps.geoCounts) setFromGeoCounts(metrics, deps.geoCounts());
    return c.text(deps.metrics.render(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  });
}
