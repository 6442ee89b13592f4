// Headers of answers: security with the nonce of the pages' scripts and styles, caching, and which pages of other origins may read (CORS). No I/O.
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { NONCE, secureHeaders } from "hono/secure-headers";
import type { AppContext, AppEnv } from "./deps.ts";

/** Security headers for every answer. HSTS is the task of the proxy that terminates TLS. */
export function securityHeaders(): MiddlewareHandler {
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      scriptSrc: [NONCE],
      styleSrc: [NONCE],
      imgSrc: ["'self'", "data:"],
      connectSrc: ["'self'"],
      formAction: ["'self'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
    strictTransportSecurity: false,
    xFrameOptions: "DENY",
    permissionsPolicy: { camera: [], geolocation: [], microphone: [] },
    // Charts set a header of their own that allows other sites to embed them.
    overwrite: false,
  });
}

/** Nonce of the page's `<script>` and `<style>` elements. */
export function nonceOf(c: AppContext): string {
  return c.get("secureHeadersNonce") ?? "";
}

/** No caching, unless a handler sets a header. */
export function noStoreByDefault(): MiddlewareHandler<AppEnv> {
  return async function noStoreByDefault(c, next) {
    await next();
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  };
}

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
