// Decides who may read what: by a token in a header, link or cookie; without API_TOKEN only this machine. No I/O.
import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { isLoopback } from "../../shared/config/hosts.ts";
import type { Clock } from "../../shared/clock.ts";
import type { AccessSettings, AppContext, AppEnv, AppSettings, Scope } from "./deps.ts";
import { HttpProblem } from "./problem.ts";
import { isSecure, sessionScope, startSession } from "./session.ts";
import { wantsPage } from "./wants_page.ts";

/** Paths that answer without a token, but with less detail, because probes cannot send one. */
const OPEN_PATHS: ReadonlySet<string> = new Set(["/livez", "/readyz"]);
/** Paths of the forms for signing in and out. They need no token. */
export const FORM_PATHS: ReadonlySet<string> = new Set(["/login", "/logout"]);
/** Characters of a sent token; the rest is not looked at. */
export const TOKEN_LENGTH_MAX = 512;

/** SHA-256 of a token. Tokens are kept only in this form. */
export async function hashToken(token: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
}

/** The request's token; undefined without one. Unreadable credentials are a token that matches nothing. */
export function tokenOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const [, scheme = "", credentials = ""] = /^(\S+) +(\S+) *$/.exec(authorization.slice(0, 2 * TOKEN_LENGTH_MAX)) ?? [];
  if (/^bearer$/i.test(scheme)) return credentials;
  if (!/^basic$/i.test(scheme)) return "";
  const text = Buffer.from(credentials, "base64").toString("utf8");
  return text.slice(text.indexOf(":") + 1);
}

/** The scope of a caller; undefined for a wrong token, which is refused even if no token is needed. */
export async function scopeOf(access: AccessSettings, token: string | undefined): Promise<Scope | undefined> {
  const { readTokenHash, adminTokenHash, publicAccess } = access;
  if (token === undefined) {
    if (publicAccess) return "read";
    if (readTokenHash !== undefined) return "none";
    return adminTokenHash === undefined ? "admin" : "read";
  }
  const hash = await hashToken(token);
  // All are always compared, so that the time does not tell which one was close.
  const fits = (known: Uint8Array | undefined) => known !== undefined && timingSafeEqual(hash, known);
  const admin = fits(adminTokenHash), read = fits(readTokenHash);
  const share = fits(access.shareTokenHash), chart = fits(access.chartTokenHash);
  if (admin) return "admin";
  // Without an admin token, the reader's gives access to everything.
  if (read) return adminTokenHash === undefined ? "admin" : "read";
  if (share) return "share";
  if (chart) return "chart";
  return readTokenHash === undefined && adminTokenHash === undefined ? scopeOf(access, undefined) : undefined;
}

/** Whether `scope` gives access to `path`. Samples of dead letters also need {@link requireAdmin}. */
export function reaches(scope: Scope, path: string, { publicMetrics = false }: Partial<AccessSettings> = {}): boolean {
  if (OPEN_PATHS.has(path) || FORM_PATHS.has(path) || path.startsWith("/assets/")) return true;
  if (publicMetrics && path === "/metrics") return true;
  switch (scope) {
    case "admin":
    case "read":
      return true;
    case "share":
      return path === "/" || path === "/fragments/overview" || path === "/v1/events" ||
        path.startsWith("/v1/reports/") || path.startsWith("/v1/charts/");
    case "chart":
      return path.startsWith("/v1/charts/");
    case "none":
      return false;
  }
}

/** Sets the caller's scope, or refuses. A share link is replaced by a cookie, so that its token is no longer in the address. */
export function authenticate({ access, proxyHops }: AuthSettings, clock: Clock): MiddlewareHandler<AppEnv> {
  const { readTokenHash, publicAccess, publicMetrics } = access;
  return async function authenticate(c, next) {
    const { path } = c.req;
    const isOpen = publicMetrics === true && path === "/metrics";
    if (readTokenHash === undefined && !publicAccess && !isOpen) requireLocal(c);
    const header = tokenOf(c.req.header("authorization"));
    const share = header === undefined && path === "/" ? c.req.query("share") : undefined;
    if (share !== undefined) {
      const scope = await scopeOf(access, share.slice(0, TOKEN_LENGTH_MAX));
      if (scope === undefined || scope === "none") {
        throw unauthorized(c, "The token of this link is not valid any more.");
      }
      if (scope === "share" && await sessionScope(c, access, clock.now()) === undefined) {
        await startSession(c, access, { scope, now: clock.now(), secure: isSecure(c, proxyHops) });
      }
      return c.redirect(withoutShare(c.req.url), 303);
    }
    // Pages that embed a chart cannot send a header.
    const sent = header ?? (path.startsWith("/v1/charts/") ? c.req.query("token") : undefined);
    const session = sent === undefined ? await sessionScope(c, access, clock.now()) : undefined;
    const scope = widest(session, await scopeOf(access, sent));
    if (scope === undefined) throw unauthorized(c, "The token is wrong.");
    if (!reaches(scope, path, access)) {
      if (scope !== "none") throw new HttpProblem("forbidden", `A ${scope} token does not reach this address.`);
      throw unauthorized(c, "Send the token as `Authorization: Bearer …` or as the password of HTTP Basic.");
    }
    c.set("scope", scope);
    return await next();
  };
}

/** The settings of access. */
type AuthSettings = Pick<AppSettings, "access" | "proxyHops">;

/** The wider of the scopes of the cookie and of the request's token; a wrong token stays wrong. */
function widest(session: Scope | undefined, scope: Scope | undefined): Scope | undefined {
  const order: readonly Scope[] = ["none", "chart", "share", "read", "admin"];
  return session === undefined || scope === undefined || order.indexOf(scope) > order.indexOf(session)
    ? scope
    : session;
}

/** A browser gets a sign-in form. A Basic challenge would open its own dialog first. */
function unauthorized(c: AppContext, detail: string): HttpProblem {
  const challenge = wantsPage(c.req.header("accept")) ? "Bearer" : "Basic";
  return new HttpProblem("unauthorized", detail, {
    headers: { "www-authenticate": `${challenge} realm="tidemark"${challenge === "Basic" ? `, charset="UTF-8"` : ""}` },
  });
}

/** Path and query of an address without its `share`. */
function withoutShare(address: string): string {
  const { searchParams } = new URL(address);
  searchParams.delete("share");
  const query = searchParams.toString();
  return query === "" ? "/" : `/?${query}`;
}

/** @throws HttpProblem unless the caller's scope is admin */
export function requireAdmin(c: AppContext): void {
  if (c.get("scope") !== "admin") throw new HttpProblem("forbidden", "This needs the token of API_ADMIN_TOKEN.");
}

/**
 * Without API_TOKEN only this machine is answered. The Host header is checked too: a web page whose name resolves to 127.0.0.1 (DNS rebinding)
 * asks from this machine, but with its own name.
 */
function requireLocal(c: AppContext): void {
  const peer = c.env?.incoming?.socket?.remoteAddress;
  const { hostname } = new URL(c.req.url);
  if ((peer !== undefined && !isLoopback(peer)) || !isLoopback(hostname)) {
    throw new HttpProblem("not_local", "No API_TOKEN is set, so only this machine is answered, by its own name.");
  }
}
