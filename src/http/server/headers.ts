// Headers that tell browsers what our answers may never do, and the nonce by which pages mark their own script and style. No I/O.
import type { MiddlewareHandler } from "hono";
import { NONCE, secureHeaders } from "hono/secure-headers";
import type { AppContext, AppEnv } from "./deps.ts";

/** Security headers for every answer. HSTS is left to whatever terminates TLS in front of us. */
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
    // Charts say themselves that other sites may embed them.
    overwrite: false,
  });
}

/** What a page's own `<script nonce>` and `<style nonce>` carry in this response. */
export function nonceOf(c: AppContext): string {
  return c.get("secureHeadersNonce") ?? "";
}

/** Answers are read fresh each time unless a handler says otherwise. */
export function noStoreByDefault(): MiddlewareHandler<AppEnv> {
  return async function noStoreByDefault(c, next) {
    await next();
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  };
}
