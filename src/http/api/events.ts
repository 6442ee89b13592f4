// /v1/events: progress as server-sent events, so that pages reload only changed parts. Keeps connections open; the feed reads the database.
import { createRoute, z } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import { durationMs } from "../../shared/units.ts";
import type { App, AppDeps } from "../server/deps.ts";
import { EventFeed, type FeedEvent } from "./event_feed.ts";
import type { Metrics } from "./metrics/catalogue.ts";
import { HttpProblem } from "../server/problem.ts";
import { jsonResponses } from "./schemas.ts";
import { queryOf } from "../server/validation.ts";

/** Proxies cut connections that are silent for 30 to 60 s. */
const HEARTBEAT_MS = durationMs(15_000);
/** Time that a browser waits before it connects again. */
const RETRY_MS = 3_000;
/** A slow client gets only the newest state, not every state in between. */
const QUEUE_MAX = 1;

const { 200: _json, ...refused } = jsonResponses(z.unknown(), "");

const route = createRoute({
  method: "get",
  path: "/v1/events",
  tags: ["Pipeline"],
  summary: "Progress as server-sent events",
  description:
    "Sends `progress` when counts, watermarks or closed windows change, at most once a second, and `unavailable` while the database does not answer. The id is data revision and closed-through: a client that sends the last one as Last-Event-ID gets no event twice. Comments every 15 s keep the connection open.",
  request: { query: queryOf({}) },
  responses: {
    200: { description: "The stream.", content: { "text/event-stream": { schema: z.string() } } },
    ...refused,
  },
});

/** Registers the route. */
export function registerEvents(app: App, deps: AppDeps, metrics: Metrics): void {
  const feed = new EventFeed(deps.database, deps.clock, deps.log);
  const gauge = metrics.gauge("tidemark_http_event_clients");
  gauge.set(0);
  app.openapi(route, (c) => {
    if (feed.clients >= deps.settings.eventClientsMax) {
      throw new HttpProblem("overloaded", `${feed.clients} clients are listening already; poll instead.`);
    }
    // The stream of a HEAD request would have no reader that ends it.
    if (c.req.method === "HEAD") return c.body(null, 200, { "content-type": "text/event-stream" });
    const lastId = c.req.header("last-event-id")?.slice(0, 100);
    c.header("x-accel-buffering", "no");
    const response = streamSSE(c, async (stream) => {
      const queue: FeedEvent[] = [];
      let wake = new AbortController();
      const stop = feed.subscribe((event) => {
        queue.push(event);
        if (queue.length > QUEUE_MAX) queue.shift();
        wake.abort();
      }, lastId);
      stream.onAbort(() => wake.abort());
      gauge.set(feed.clients);
      try {
        await stream.write(`retry: ${RETRY_MS}\n\n`);
        while (!stream.aborted && !stream.closed) {
          const event = queue.shift();
          if (event !== undefined) {
            await stream.writeSSE({ event: event.event, data: event.data, ...(event.id !== "" && { id: event.id }) });
            continue;
          }
          wake = new AbortController();
          await deps.clock.sleep(HEARTBEAT_MS, wake.signal);
          if (!wake.signal.aborted) await stream.write(": still here\n\n");
        }
      } finally {
        stop();
        gauge.set(feed.clients);
      }
    });
    response.headers.set("cache-control", "no-store");
    return response;
  });
}
