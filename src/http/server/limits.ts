// What a request may cost before anybody looks at it: its address' length, its body, how often its sender asks. No I/O.
import type { MiddlewareHandler } from "hono";
import type { Clock } from "../../shared/clock.ts";
import type { AppEnv } from "./deps.ts";
import { HttpProblem } from "./problem.ts";
import { clientKey, TokenBuckets } from "./token_bucket.ts";

/** Longest URL in characters: far above every form of ours, far below what a parser notices. */
export const URL_LENGTH_MAX = 4096;
/** Addresses remembered for rate limits: about 1 MB. */
const CLIENTS_MAX = 10_000;
/** Orchestrators ask these on a schedule of their own, behind one address with everybody else. */
const PROBES: ReadonlySet<string> = new Set(["/livez", "/readyz"]);

export interface LimitOptions {
  readonly clock: Clock;
  readonly perSecond: number;
  readonly burst: number;
  readonly onLimited: () => void;
}

/** Refuses long URLs, bodies and clients that ask too often. */
export function limits({ clock, perSecond, burst, onLimited }: LimitOptions): MiddlewareHandler<AppEnv> {
  const buckets = new TokenBuckets({ perSecond, burst, clientsMax: CLIENTS_MAX });
  return async function limits(c, next) {
    if (c.req.url.length > URL_LENGTH_MAX) {
      throw new HttpProblem("url_too_long", `Addresses have at most ${URL_LENGTH_MAX} characters.`);
    }
    if (!PROBES.has(c.req.path)) {
      const waitMs = buckets.take(clientKey(c.env?.incoming?.socket?.remoteAddress), clock.now());
      if (waitMs > 0) {
        onLimited();
        const seconds = Math.ceil(waitMs / 1000);
        throw new HttpProblem("rate_limited", `At most ${perSecond} requests a second; try again in ${seconds} s.`, {
          headers: { "retry-after": String(seconds) },
        });
      }
    }
    const length = c.req.header("content-length");
    if ((length !== undefined && length !== "0") || c.req.header("transfer-encoding") !== undefined) {
      throw new HttpProblem("body_not_allowed", "Everything here is read with GET, without a body.", {
        headers: { connection: "close" },
      });
    }
    await next();
  };
}
