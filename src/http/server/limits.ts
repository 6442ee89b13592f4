// Limits the length of URLs and bodies and the rate of requests. No I/O.
import type { MiddlewareHandler } from "hono";
import type { Clock } from "../../shared/clock.ts";
import type { AppEnv } from "./deps.ts";
import { HttpProblem } from "./problem.ts";
import { FORM_PATHS } from "./auth.ts";
import { takesBody } from "./writing.ts";
import { clientKey, TokenBuckets } from "./token_bucket.ts";

/** Longest URL in characters: much longer than any of our forms makes. */
const URL_LENGTH_MAX = 4096;
/** Longest body: of signing in, a view, a note. */
const FORM_BYTES_MAX = 8_192;
/** Addresses remembered for rate limits: about 1 MB. */
const CLIENTS_MAX = 10_000;
/** Not limited: orchestrators ask these regularly, possibly from the same address as other clients. */
const PROBES: ReadonlySet<string> = new Set(["/livez", "/readyz"]);

interface LimitOptions {
  readonly clock: Clock;
  /** null = no limit. */
  readonly rate: { readonly perSecond: number; readonly burst: number } | null;
  /** Number of trusted proxies. */
  readonly proxyHops: number;
  readonly onLimited: () => void;
}

/**
 * The address of the client: the peer's, or behind `hops` trusted proxies the one that the outermost proxy saw. Each proxy appends the address
 * of its client; the addresses before those come from the client and may be false.
 */
export function clientAddress(peer: string | undefined, forwardedFor: string | undefined, hops: number) {
  if (hops === 0 || forwardedFor === undefined) return peer;
  const seen = forwardedFor.split(",").map((part) => part.trim());
  const address = seen.at(-hops);
  return address === undefined || !/^[0-9a-f.:%]{2,64}$/i.test(address) ? peer : address;
}

/** Refuses long URLs, long bodies and too frequent requests. */
export function limits({ clock, rate, proxyHops, onLimited }: LimitOptions): MiddlewareHandler<AppEnv> {
  const buckets = rate && new TokenBuckets({ ...rate, clientsMax: CLIENTS_MAX });
  /** Takes one request from the client's bucket; returns headers about the rest. @throws HttpProblem if it was empty */
  const take = (buckets: TokenBuckets, client: string) => {
    const waitMs = buckets.take(client, clock.now());
    const { perSecond, burst } = buckets.options, { tokens, fullInMs } = buckets.left(client);
    // The three headers of draft-ietf-httpapi-ratelimit-headers that clients read; times in seconds.
    const headers = {
      "ratelimit-limit": String(burst),
      "ratelimit-remaining": String(tokens),
      "ratelimit-reset": String(Math.ceil(fullInMs / 1000)),
    };
    if (waitMs === 0) return headers;
    onLimited();
    const seconds = Math.ceil(waitMs / 1000);
    throw new HttpProblem("rate_limited", `At most ${perSecond} requests a second; try again in ${seconds} s.`, {
      headers: { ...headers, "retry-after": String(seconds) },
    });
  };
  return async function limits(c, next) {
    const peer = c.env?.incoming?.socket?.remoteAddress;
    const headers: Readonly<Record<string, string>> = buckets === null || PROBES.has(c.req.path)
      ? {}
      : take(buckets, clientKey(clientAddress(peer, c.req.header("x-forwarded-for"), proxyHops)));
    if (c.req.url.length > URL_LENGTH_MAX) {
      throw new HttpProblem("url_too_long", `Addresses have at most ${URL_LENGTH_MAX} characters.`, { headers });
    }
    const length = c.req.header("content-length"), chunked = c.req.header("transfer-encoding") !== undefined;
    const { method, path } = c.req;
    const mayBring = method === "POST" && FORM_PATHS.has(path) || takesBody(method, path);
    if (chunked || Number(length ?? 0) !== 0 && !(mayBring && Number(length) <= FORM_BYTES_MAX)) {
      const detail = mayBring
        ? `At most ${FORM_BYTES_MAX} bytes are taken, with their length before them.`
        : "This address is read with GET, without a body.";
      throw new HttpProblem("body_not_allowed", detail, {
        headers: { ...headers, connection: "close" },
      });
    }
    await next();
    for (const [name, value] of Object.entries(headers)) c.header(name, value);
  };
}
