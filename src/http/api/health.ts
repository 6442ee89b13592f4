// /livez, /readyz, /healthz and /version: whether the process is alive, makes progress, and is healthy. Reads snapshots and a probe of the database.
import { createRoute, z } from "@hono/zod-openapi";
import { durationMs } from "../../shared/units.ts";
import type { App, AppDeps } from "../server/deps.ts";
import { cached, type DatabaseProbe } from "../server/probe.ts";
import { readiness, type ReadinessReason } from "./readiness.ts";
import { refusals, timeSchema } from "./schemas.ts";
import { stepsElsewhere } from "./stream/step_rows.ts";

const reasonSchema = z.strictObject({
  code: z.string().openapi({ example: "postgres_unavailable" }),
  reason: z.string().openapi({ example: "PostgreSQL does not answer" }),
}).openapi("Reason");

const liveSchema = z.strictObject({ status: z.literal("alive") }).openapi("Live");

const stuckSchema = z.strictObject({
  status: z.literal("stuck"),
  engines: z.array(z.string()).openapi({ description: "Engines whose threads do not respond; only a restart helps." }),
}).openapi("Stuck");

/** After a suspension of the whole process, messages of threads wait in the queue. A thread is called stuck only after this time. */
const SECOND_LOOK_MS = durationMs(1_000);

/** Rows that change at most every ten seconds are read at most this often. */
const STEPS_TTL_MS = 5_000;

const readySchema = z.strictObject({
  ready: z.boolean(),
  reasons: z.array(reasonSchema).openapi({ description: "Why it is not ready. Without a token, only the codes." }),
  degraded: z.array(reasonSchema).openapi({
    description:
      "Failing steps that do not stop the counting; with `serve`, all failing steps of the processes that read. The process stays ready. Without a token, only the codes.",
  }),
}).openapi("Ready");

const versionSchema = z.strictObject({ name: z.literal("tidemark"), version: z.string() }).openapi("Version");

const healthSchema = z.strictObject({
  status: z.enum(["ok", "degraded"]),
  version: z.string(),
  now: timeSchema,
  mode: z.enum(["run", "serve"]).openapi({ description: "serve: this process runs only the API, without a pipeline." }),
  uptime_seconds: z.number().min(0),
  database: z.strictObject({ reachable: z.boolean() }),
  reasons: z.array(reasonSchema),
  degraded: z.array(reasonSchema).openapi({ description: "Failing steps that do not stop the counting." }),
  engines: z.array(z.strictObject({
    instance: z.string(),
    phase: z.enum(["starting", "running", "waiting", "stopped", "stopping"]),
    partitions: z.int(),
    lag_records: z.int().nullable().openapi({ description: "Over all owned partitions; null before the first fetch." }),
  })),
}).openapi("Health");

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { "application/json": { schema } },
});

const liveRoute = createRoute({
  method: "get",
  path: "/livez",
  tags: ["Health"],
  summary: "The process is alive: its event loop runs, and that of every engine's thread",
  responses: {
    200: json(liveSchema, "The process is alive."),
    503: json(stuckSchema, "The thread of an engine does not respond."),
  },
});
const readyRoute = createRoute({
  method: "get",
  path: "/readyz",
  tags: ["Health"],
  summary: "The process makes progress",
  description:
    "Ready: partitions are assigned, PostgreSQL answers, every owned partition moves or is caught up, windows close, and no named error has stopped the stream. A step beside the counting (roll-ups, retention, compaction, upkeep, messages) that fails for longer than 30 s is listed in `degraded`; the process stays ready.",
  responses: {
    200: json(readySchema, "It makes progress."),
    503: json(readySchema, "It does not; `reasons` says why."),
  },
});
const healthRoute = createRoute({
  method: "get",
  path: "/healthz",
  tags: ["Health"],
  summary: "Health in short",
  responses: { 200: json(healthSchema, "Always 200; see `status`."), ...refusals },
});
const versionRoute = createRoute({
  method: "get",
  path: "/version",
  tags: ["Health"],
  summary: "Name and version",
  responses: { 200: json(versionSchema, "Name and version."), ...refusals },
});

/** Registers the health routes. */
export function registerHealth(app: App, deps: AppDeps, probe: DatabaseProbe): void {
  const startedAt = deps.clock.now();
  const elsewhere = cached(deps.clock, STEPS_TTL_MS, () => stepsElsewhere(deps));
  const look = async () => {
    const databaseProblem = await probe();
    const state = readiness({
      snapshots: deps.snapshots(),
      now: deps.clock.now(),
      progressTimeoutMs: deps.settings.progressTimeoutMs,
      upkeep: deps.upkeep?.(),
      elsewhere: databaseProblem === null ? await elsewhere() : [],
      databaseProblem,
    });
    const plain = (list: readonly ReadinessReason[]) => list.map(({ code, reason }) => ({ code, reason }));
    return { databaseProblem, reasons: plain(state.reasons), degraded: plain(state.degraded) };
  };

  app.openapi(liveRoute, async (c) => {
    // A timer that fires shows that the event loop does more than read sockets.
    await deps.clock.sleep(durationMs(0));
    const stuck = () => deps.stuckEngines?.() ?? [];
    if (stuck().length > 0) await deps.clock.sleep(SECOND_LOOK_MS);
    const engines = stuck();
    return engines.length > 0
      ? c.json({ status: "stuck" as const, engines: c.get("scope") === "none" ? [] : [...engines] }, 503)
      : c.json({ status: "alive" as const }, 200);
  });
  app.openapi(readyRoute, async (c) => {
    const { reasons, degraded } = await look();
    const shown = (list: typeof reasons) =>
      c.get("scope") === "none" ? list.map(({ code }) => ({ code, reason: code })) : list;
    const ready = reasons.length === 0;
    return c.json({ ready, reasons: shown(reasons), degraded: shown(degraded) }, ready ? 200 : 503);
  });
  app.openapi(healthRoute, async (c) => {
    const { databaseProblem, reasons, degraded } = await look();
    const snapshots = deps.snapshots();
    return c.json({
      status: reasons.length + degraded.length === 0 ? "ok" as const : "degraded" as const,
      version: deps.version,
      now: new Date(deps.clock.now()).toISOString(),
      mode: snapshots.length > 0 ? "run" as const : "serve" as const,
      uptime_seconds: Math.max(0, (deps.clock.now() - startedAt) / 1000),
      database: { reachable: databaseProblem === null },
      reasons,
      degraded,
      engines: snapshots.map((s) => ({
        instance: s.instance,
        phase: s.phase,
        partitions: s.partitions.length,
        lag_records: s.partitions.some((p) => p.logEnd === null)
          ? null
          : s.partitions.reduce((sum, p) => sum + Math.max(0, p.logEnd! - p.position), 0),
      })),
    }, 200);
  });
  app.openapi(versionRoute, (c) => c.json({ name: "tidemark" as const, version: deps.version }, 200));
}
