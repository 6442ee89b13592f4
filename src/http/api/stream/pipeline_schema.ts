// Schemas of /v1/pipeline. No I/O.
import { z } from "@hono/zod-openapi";
import { certaintySchema, countSchema, maybeTimeSchema, orNull, timeSchema } from "../schemas.ts";
import { partitionLogsSchema } from "./log_names.ts";
import { HOLD_CODES } from "./watermark_hold.ts";

export const streamSchema = z.strictObject({
  state: z.enum(["live", "ended"]).openapi({
    description: "ended: this process does not read it, and nothing has changed for ten minutes.",
  }),
  first_event_time: maybeTimeSchema.openapi({
    description: "Nothing is known of time before it; null before the first.",
  }),
  newest_event_time: maybeTimeSchema.openapi({ description: "Nothing is known of time after it." }),
  source: z.enum(["kafka", "file", "demo"]),
  topic: z.string(),
  topic_id: z.string().nullable(),
  topic_id_known: z.boolean().openapi({
    description:
      "false: the broker has no topic ids, so a recreated topic is noticed by its start and end offsets only.",
  }),
  consumer_group: z.string(),
  window_size_ms: countSchema,
  referrer_granularity: z.string(),
  created_at: timeSchema,
  closed_through: maybeTimeSchema.openapi({ description: "Windows that end at or before it are closed." }),
  final_through: maybeTimeSchema.openapi({ description: "Numbers of windows that end at or before it are final." }),
  quiet_since: maybeTimeSchema,
  watermark: maybeTimeSchema.openapi({ description: "Lowest watermark of all partitions." }),
  data_revision: countSchema,
  retired_through: maybeTimeSchema,
  data_gaps: countSchema,
  stopped: z.strictObject({ code: z.string(), message: z.string(), at: maybeTimeSchema }).nullable(),
}).openapi("Stream");

export const holdSchema = z.strictObject({
  code: z.enum(HOLD_CODES),
  reason: z.string(),
  would_close: z.string(),
  closes_at: maybeTimeSchema.openapi({ description: "The earliest time at which silence alone closes it." }),
}).openapi("Hold");

const partitionSchema = z.strictObject({
  partition: z.int(),
  logs: partitionLogsSchema,
  owned: z.boolean().openapi({ description: "Read by this process." }),
  state: z.enum(["flowing", "loading", "contested", "elsewhere", "retired"]),
  first_offset: countSchema,
  next_offset: countSchema.openapi({ description: "Committed position: next record to read." }),
  position: countSchema.nullable(),
  log_end: countSchema.nullable(),
  last_stable: countSchema.nullable(),
  lag_records: countSchema.nullable().openapi({ description: "null if this process does not read it." }),
  lag_seconds: z.number().min(0).nullable(),
  watermark: maybeTimeSchema,
  committed_watermark: maybeTimeSchema,
  quiet_since: maybeTimeSchema,
  held_by: orNull(holdSchema),
  counted: countSchema,
  late: countSchema,
  dead: countSchema,
  null_records: countSchema,
  skipped: z.int(),
  updated_at: timeSchema,
});

const engineSchema = z.strictObject({
  instance: z.string(),
  phase: z.enum(["starting", "running", "waiting", "stopped", "stopping"]),
  reason: z.string().nullable(),
  reason_code: z.string().nullable(),
  started_at: timeSchema,
  generation: z.int(),
  partitions: z.array(z.int()),
  store: z.strictObject({ reachable: z.boolean(), last_success_at: maybeTimeSchema }),
  commit: z.strictObject({
    last_at: maybeTimeSchema,
    last_duration_ms: z.number().nullable(),
    last_keys: z.number().nullable(),
    pending_records: countSchema,
    pending_keys: countSchema,
    in_flight: z.boolean(),
    fenced: countSchema,
    unknown_outcomes: countSchema,
  }),
  totals: z.strictObject({
    records: countSchema,
    bytes: countSchema,
    counted: countSchema,
    late: countSchema,
    dead: countSchema,
    null_records: countSchema,
    skipped: countSchema,
    rebalances: countSchema,
    commits: countSchema,
    windows_closed: countSchema,
  }).openapi({ description: "Since this process started, committed or not." }),
});

const geoSchema = z.strictObject({
  origin: z.enum(["setting", "installed", "bundled", "none"]),
  loaded_at: maybeTimeSchema,
  last_error: z.string().nullable(),
  files: z.array(z.strictObject({
    name: z.string(),
    type: z.string(),
    families: z.array(z.enum(["ipv4", "ipv6"])),
    built_at: timeSchema,
    age_days: z.int(),
    size_bytes: countSchema,
    broken_records: countSchema,
    attribution: z.strictObject({ text: z.string(), url: z.string(), licence: z.string() }).nullable(),
  })),
});

export const pipelineSchema = z.strictObject({
  version: z.string(),
  now: timeSchema,
  certainty: certaintySchema,
  mode: z.enum(["run", "serve"]),
  stream: streamSchema,
  partitions: z.array(partitionSchema),
  engines: z.array(engineSchema).openapi({ description: "Engines of this process; none with `tidemark serve`." }),
  geo: geoSchema.nullable(),
  settings: z.array(z.strictObject({ name: z.string(), value: z.string(), source: z.string() })).openapi({
    description: "Effective settings of this process; secrets are hidden.",
  }),
}).openapi("Pipeline");
