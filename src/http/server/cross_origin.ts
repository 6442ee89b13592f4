// Which web pages of other origins may read the API (CORS): those of a setting, none without it. No I/O.
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";

/** What scripts of other origins may read beside the body. */
const EXPOSED = [
  "Content-Disposition",
  "ETag",
  "RateLimit-Limit",
  "RateLimit-Remaining",
  "RateLimit-Reset",
  "Retry-After",
  "X-Request-Id",
];
/** Seconds for which a browser may keep the answer to its preflight. */
const PREFLIGHT_S = 600;

/** Lets pages of `origins` read, `*` = of any origin. Cookies are never taken from there: such a caller sends a token. */
export function crossOrigin(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowMethods: ["GET", "HEAD"],
    allowHeaders: ["Authorization", "If-None-Match", "Last-Event-ID", "X-Request-Id"],
    exposeHeaders: EXPOSED,
    maxAge: PREFLIGHT_S,
  });
}
