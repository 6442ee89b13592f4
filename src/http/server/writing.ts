// Decides who may write views and notes over HTTP, and refuses writes that a page of another site sends. No I/O.
import type { ReadDatabase } from "../../shared/sql.ts";
import { requireAdmin } from "./auth.ts";
import type { AppContext, AppDeps } from "./deps.ts";
import { HttpProblem } from "./problem.ts";

/** Methods and paths that accept a body, except those for signing in. */
const WRITING = [
  { method: "PUT", path: /^\/v1\/views\/[^/]+$/ },
  { method: "POST", path: /^\/v1\/notes$/ },
  { method: "POST", path: /^\/(?:views|notes)$/ },
];

/** Whether a request may have a body. */
export const takesBody = (method: string, path: string): boolean =>
  WRITING.some((one) => one.method === method && one.path.test(path.replace(/\/+$/, "")));

/** The database to write to. @throws HttpProblem unless an admin asks, from no other site's page, and the process can write */
export function requireWriter(c: AppContext, deps: Pick<AppDeps, "writes">): ReadDatabase {
  requireOwnSite(c);
  requireAdmin(c);
  if (deps.writes === undefined) {
    throw new HttpProblem("read_only", "This process only shows what others read; ask the one of `tidemark run`.");
  }
  return deps.writes;
}

/** Refuses requests of other sites' pages, because browsers add cookies and passwords to them. */
function requireOwnSite(c: AppContext): void {
  const site = c.req.header("sec-fetch-site");
  if (site !== undefined) {
    if (site === "same-origin" || site === "none") return;
  } else {
    // A program sends neither; an old browser sends only the origin.
    const origin = c.req.header("origin");
    if (origin === undefined || URL.parse(origin)?.host === new URL(c.req.url).host) return;
  }
  throw new HttpProblem("forbidden", "This was sent by a page of another site.");
}
