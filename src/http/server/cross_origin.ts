// Allows pages of other origins to read the API (CORS), if a setting names the origins. No I/O.
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";

/** Headers that scripts of other origins may read. */
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

/** Lets pages of `origins` read; `*` = any origin. Such a caller sends a token; its cookies are ignored. */
export function crossOrigin(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowMethods: ["GET", "HEAD"],
    allowHeaders: ["Authorization", "If-None-Match", "Last-Event-ID", "X-Request-Id"],
    exposeHeaders: EXPOSED,
    maxAge: PREFLIGHT_S,
  });
}
