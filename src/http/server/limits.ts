// What a request may cost before anybody looks at it: its address' length, its body, how often its sender asks. No I/O.
import type { MiddlewareHandler } from "hono";
import type { Clock } from "../../shared/clock.ts";
import type { AppEnv } from "./deps.ts";
import { HttpProblem } from "./problem.ts";
import { FORM_PATHS } from "./auth.ts";
import { takesBody } from "./writing.ts";
import { clientKey, TokenBuckets } from "./token_bucket.ts";

/** Longest URL in characters: far above every form of ours, far below what a parser notices. */
const URL_LENGTH_MAX = 4096;
/** Longest body: a token and an address, a view, a note. */
const FORM_BYTES_MAX = 8_192;
/** Addresses remembered for rate limits: about 1 MB. */
const CLIENTS_MAX = 10_000;
/** Orchestrators ask these on a schedule of their own, behind one address with everybody else. */
const PROBES: ReadonlySet<string> = new Set(["/livez", "/readyz"]);

interface LimitOptions {
  readonly clock: Clock;
  /** null = no limit. */
  readonly rate: { readonly perSecond: number; readonly burst: number } | null;
  /** Trusted proxies in front of us. */
  readonly proxyHops: number;
  readonly onLimited: () => void;
}

/**
 * The address of the client: the peer's, or behind `hops` trusted proxies the one that the outermost of them saw. Each proxy appends the
 * address that it was asked from; what is before those was written by the client and is not believed.
 */
export function clientAddress(peer: string | undefined, forwardedFor: string | undefined, hops: number) {
  if (hops === 0 || forwardedFor === undefined) return peer;
  const seen = forwardedFor.split(",").map((part) => part.trim());
  const address = seen.at(-hops);
  return address === undefined || !/^[0-9a-f.:%]{2,64}$/i.test(address) ? peer : address;
}

/** Refuses long URLs, bodies and clients that ask too often. */
export function limits({ clock, rate, proxyHops, onLimited }: LimitOptions): MiddlewareHandler<AppEnv> {
  const buckets = rate && new TokenBuckets({ ...rate, clientsMax: CLIENTS_MAX });
  /** Takes one request off the client's bucket; headers that say what is left. @throws HttpProblem where nothing was */
  const take = (buckets: TokenBuckets, client: string) => {
    const waitMs = buckets.take(client, clock.now());
    const { perSecond, burst } = buckets.options, { tokens, fullInMs } = buckets.left(client);
    // draft-ietf-httpapi-ratelimit-headers, as far as clients read it: three numbers, times in seconds.
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
