// Compresses answers as streams: with Brotli if the client accepts it, else with gzip. No I/O.
import type { MiddlewareHandler } from "hono";
import { compress } from "hono/compress";
import { parseAccept } from "hono/utils/accept";
import type { AppContext, AppEnv } from "./deps.ts";

/** Text, except event streams, whose events would wait in the compressor. */
const TEXT = /^(?:text\/(?!event-stream\b)|image\/svg\+xml\b|application\/(?:problem\+json|json|x-ndjson)\b)/;

/** Whether the client accepts Brotli and does not prefer gzip (RFC 9110 §12.5.3). */
export function prefersBrotli(acceptEncoding: string | undefined): boolean {
  if (acceptEncoding === undefined) return false;
  const accepts = parseAccept(acceptEncoding.slice(0, 500));
  const quality = (name: string) => accepts.find(({ type }) => type.toLowerCase() === name)?.q ?? 0;
  return quality("br") > 0 && quality("br") >= quality("gzip");
}

/** Compresses text. Our ETags are weak, so they are valid for every encoding. */
export function compressed(): MiddlewareHandler<AppEnv> {
  const gzip = compress({ contentTypeFilter: TEXT });
  return async function compressed(c, next) {
    if (!prefersBrotli(c.req.header("accept-encoding"))) return await gzip(c, next);
    await next();
    if (!isCompressible(c) || c.res.body === null) return;
    if (!/accept-encoding/i.test(c.res.headers.get("vary") ?? "")) {
      c.header("vary", "Accept-Encoding", { append: true });
    }
    c.res = new Response(c.res.body.pipeThrough(new CompressionStream("brotli")), c.res);
    c.res.headers.delete("content-length");
    c.res.headers.set("content-encoding", "br");
  };
}

function isCompressible({ req, res }: AppContext): boolean {
  return req.method !== "HEAD" && res.status !== 206 && !res.headers.has("content-encoding") &&
    TEXT.test(res.headers.get("content-type") ?? "");
}
