// /v1/pipeline: state of the stream, its partitions and engines. Reads snapshots and the database.
import { createRoute } from "@hono/zod-openapi";
import type { App, AppDeps } from "../../server/deps.ts";
import { pipelineSchema, streamSchema } from "./pipeline_schema.ts";
import { readLogs } from "./log_names.ts";
import { engineView, geoView, livePartitions, partitionView, streamView } from "./pipeline_view.ts";
import { isoAlways, jsonResponses } from "../schemas.ts";
import { requireStream } from "./stream_rows.ts";
import { queryOf } from "../../server/validation.ts";

const route = createRoute({
  method: "get",
  path: "/v1/pipeline",
  tags: ["Pipeline"],
  summary: "The stream, its partitions and what holds each of them",
  request: { query: queryOf({}) },
  responses: jsonResponses(pipelineSchema, "State of this moment."),
});

const streamRoute = createRoute({
  method: "get",
  path: "/v1/stream",
  tags: ["Pipeline"],
  summary: "The stream: what it reads, from when to when it has events, how far it is closed",
  request: { query: queryOf({}) },
  responses: jsonResponses(streamSchema, "State of this moment."),
});

/** Registers both routes. */
export function registerPipeline(app: App, deps: AppDeps): void {
  app.openapi(streamRoute, async (c) => {
    const state = await requireStream(deps.database, deps.settings.queryTimeoutMs);
    return c.json(streamView(state.stream, deps.snapshots().length > 0, deps.clock.now()), 200);
  });
  app.openapi(route, async (c) => {
    const { database, settings } = deps;
    const state = await requireStream(database, settings.queryTimeoutMs);
    const logs = await readLogs(database, settings.queryTimeoutMs);
    const snapshots = deps.snapshots();
    const live = livePartitions(snapshots);
    const now = deps.clock.now();
    const geo = deps.geo();
    return c.json({
      version: deps.version,
      now: isoAlways(now),
      certainty: "provisional" as const,
      mode: snapshots.length > 0 ? "run" as const : "serve" as const,
      stream: streamView(state.stream, snapshots.length > 0, now),
      partitions: state.partitions.map((row) =>
        partitionView(row, live.get(row.partition), state, now, settings, logs)
      ),
      engines: snapshots.map(engineView),
      geo: geo === null ? null : geoView(geo),
      settings: deps.settingsView.map(({ name, value, source }) => ({ name, value, source })),
    }, 200);
  });
}
