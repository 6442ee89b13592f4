// Who may write the little that can be written over HTTP, and that a browser does it on this site's own pages only. No I/O.
import type { ReadDatabase } from "../../shared/sql.ts";
import { requireAdmin } from "./auth.ts";
import type { AppContext, AppDeps } from "./deps.ts";
import { HttpProblem } from "./problem.ts";

/** Paths that take a body beside those of signing in, with the method that they take it by. */
const WRITING = [
  { method: "PUT", path: /^\/v1\/views\/[^/]+$/ },
  { method: "POST", path: /^\/v1\/notes$/ },
  { method: "POST", path: /^\/(?:views|notes)$/ },
];

/** Whether a request of this method may bring a body to this path. */
export const takesBody = (method: string, path: string): boolean =>
  WRITING.some((one) => one.method === method && one.path.test(path.replace(/\/+$/, "")));

/** The database to write to. @throws HttpProblem for everybody else than an admin of a process that runs, asked by this site's own pages */
export function requireWriter(c: AppContext, deps: Pick<AppDeps, "writes">): ReadDatabase {
  requireOwnSite(c);
  requireAdmin(c);
  if (deps.writes === undefined) {
    throw new HttpProblem("read_only", "This process only shows what others read; ask the one of `tidemark run`.");
  }
  return deps.writes;
}

/** Browsers send cookies and passwords along with what a page of another site sends here: such a request is refused. */
function requireOwnSite(c: AppContext): void {
  const site = c.req.header("sec-fetch-site");
  if (site !== undefined) {
    if (site === "same-origin" || site === "none") return;
  } else {
    // A program sends neither; an old browser sends the origin alone.
    const origin = c.req.header("origin");
    if (origin === undefined || URL.parse(origin)?.host === new URL(c.req.url).host) return;
  }
  throw new HttpProblem("forbidden", "This was sent by a page of another site.");
}
