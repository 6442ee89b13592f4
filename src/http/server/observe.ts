// Records each request: an id, a duration by route pattern, a log line; never the query, an address or a token. Shell: makes ids, writes metrics and log.
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import type { AppEnv } from "./deps.ts";
import type { Metrics } from "../api/metrics/catalogue.ts";

/** Form of an id from a caller or proxy: it cannot break a log line or a header. */
const SANE_ID = /^[\w.:-]{8,80}$/;

interface ObserveOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Gives each request an id (its X-Request-Id if it has the form) and records its result. */
export function observe({ clock, log, metrics }: ObserveOptions): MiddlewareHandler<AppEnv> {
  return async function observe(c, next) {
    const given = c.req.header("x-request-id");
    const requestId = given !== undefined && SANE_ID.test(given) ? given : crypto.randomUUID();
    c.set("requestId", requestId);
    const startedAt = clock.now();
    await next();
    const durationMs = clock.now() - startedAt;
    const { status } = c.res;
    // The last handler's pattern, so that the number of labels is bounded for any paths. `/*` is the middlewares' pattern.
    const pattern = routePath(c, -1);
    const route = pattern === "/*" || status === 404 || status === 405 ? "other" : pattern;
    metrics.counter("tidemark_http_requests_total").inc(1, { method: knownMethod(c.req.method), route, status });
    metrics.histogram("tidemark_http_request_duration_seconds").observe(durationMs / 1000, { route });
    c.header("x-request-id", requestId);
    log.debug("request", { requestId, method: knownMethod(c.req.method), route, status, durationMs });
  };
}

function knownMethod(method: string): string {
  return ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].includes(method) ? method : "other";
}
