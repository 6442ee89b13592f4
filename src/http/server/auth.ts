// Who may read: bearer token (or password of HTTP Basic), read and admin scopes, and only this machine where no token is set. No I/O.
import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { isLoopback } from "../../shared/config/hosts.ts";
import type { AccessSettings, AppContext, AppEnv, Scope } from "./deps.ts";
import { HttpProblem } from "./problem.ts";

/** Paths that answer without a token, with less detail: probes cannot send one. */
const OPEN_PATHS: ReadonlySet<string> = new Set(["/livez", "/readyz"]);
const TOKEN_LENGTH_MAX = 512;

/** SHA-256 of a token: the only form in which one is kept. */
export async function hashToken(token: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
}

/** What was sent as a token; `undefined` where nothing was. Unreadable credentials are a token that fits nothing. */
export function tokenOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const [, scheme = "", credentials = ""] = /^(\S+) +(\S+) *$/.exec(authorization.slice(0, 2 * TOKEN_LENGTH_MAX)) ?? [];
  if (/^bearer$/i.test(scheme)) return credentials;
  if (!/^basic$/i.test(scheme)) return "";
  const text = Buffer.from(credentials, "base64").toString("utf8");
  return text.slice(text.indexOf(":") + 1);
}

/** The scope of a caller; `undefined` for a wrong token, which is refused even where none is needed. */
export async function scopeOf(access: AccessSettings, token: string | undefined): Promise<Scope | undefined> {
  const { readTokenHash, adminTokenHash, publicAccess } = access;
  if (token === undefined) {
    if (publicAccess) return "read";
    if (readTokenHash !== undefined) return "none";
    return adminTokenHash === undefined ? "admin" : "read";
  }
  const hash = await hashToken(token);
  // Both are always compared, so that the time taken says nothing of which one was near.
  const admin = adminTokenHash !== undefined && timingSafeEqual(hash, adminTokenHash);
  const read = readTokenHash !== undefined && timingSafeEqual(hash, readTokenHash);
  if (admin) return "admin";
  // One token for everything, where there is only one.
  if (read) return adminTokenHash === undefined ? "admin" : "read";
  return readTokenHash === undefined && adminTokenHash === undefined ? scopeOf(access, undefined) : undefined;
}

/** Sets the caller's scope, or refuses. */
export function authenticate(access: AccessSettings): MiddlewareHandler<AppEnv> {
  return async function authenticate(c, next) {
    if (access.readTokenHash === undefined && !access.publicAccess) requireLocal(c);
    const scope = await scopeOf(access, tokenOf(c.req.header("authorization")));
    if (scope === undefined || (scope === "none" && !OPEN_PATHS.has(c.req.path))) {
      const detail = scope === undefined
        ? "The token is wrong."
        : "Send the token as `Authorization: Bearer …` or as the password of HTTP Basic.";
      throw new HttpProblem("unauthorized", detail, {
        headers: { "www-authenticate": `Basic realm="tidemark", charset="UTF-8"` },
      });
    }
    c.set("scope", scope);
    await next();
  };
}

/** @throws HttpProblem unless the caller's scope is admin */
export function requireAdmin(c: AppContext): void {
  if (c.get("scope") !== "admin") throw new HttpProblem("forbidden", "This needs the token of API_ADMIN_TOKEN.");
}

/**
 * Without a token only this machine is answered. The Host header is checked too: a web page whose name was pointed at 127.0.0.1 (DNS
 * rebinding) asks from this machine, but under its own name.
 */
function requireLocal(c: AppContext): void {
  const peer = c.env?.incoming?.socket?.remoteAddress;
  const { hostname } = new URL(c.req.url);
  if ((peer !== undefined && !isLoopback(peer)) || !isLoopback(hostname)) {
    throw new HttpProblem("not_local", "No API_TOKEN is set, so only this machine is answered, by its own name.");
  }
}
