// Answers errors of handlers and unknown paths with a problem document or a page. Writes unexpected errors to the log with their request id.
import { HTTPException } from "hono/http-exception";
import type { Log } from "../../shared/log.ts";
import { messageOf } from "../../shared/errors.ts";
import { databaseProblem } from "./database.ts";
import { problemPage } from "../pages/problem_page.tsx";
import type { AppContext } from "./deps.ts";
import { nonceOf } from "./headers.ts";
import { HttpProblem, problemBody } from "./problem.ts";
import { wantsPage } from "./wants_page.ts";

/** Seconds after which a caller may try again if the database did not answer. */
const RETRY_AFTER_S = 2;

interface ProblemResponses {
  /** The application's one error handler. */
  readonly onError: (error: Error, c: AppContext) => Response | Promise<Response>;
  /** Answers unknown paths. */
  readonly notFound: (c: AppContext) => Response | Promise<Response>;
  /** Answers a method that a path does not accept. `allow`: the methods that it accepts. */
  readonly methodRefused: (c: AppContext, allow: readonly string[]) => Response | Promise<Response>;
}

/** Handlers for requests that no other handler answers. @param version the program's, for pages */
export function problemResponses(log: Log, version: string): ProblemResponses {
  return {
    onError(error, c) {
      const problem = asProblem(error);
      const fields = { path: c.req.path.slice(0, 200), requestId: c.get("requestId"), code: problem.code };
      if (problem.code === "internal") log.error(`request failed: ${messageOf(error)}`, fields);
      else if (problem.status === 503 && problem.code !== "overloaded") {
        log.warn(`request failed: ${messageOf(problem.cause ?? error)}`, fields);
      }
      return problemResponse(c, problem, version);
    },
    notFound: (c) => problemResponse(c, new HttpProblem("not_found", "No such page. /docs lists them all."), version),
    methodRefused(c, allow) {
      const detail = `${c.req.path.slice(0, 200)} takes ${allow.join(" and ")}.`;
      return problemResponse(
        c,
        new HttpProblem("method_not_allowed", detail, { headers: { allow: allow.join(", ") } }),
        version,
      );
    },
  };
}

/** The response of a problem: a page for a browser, a problem document for a program. Never cached. */
function problemResponse(c: AppContext, problem: HttpProblem, version: string): Response | Promise<Response> {
  const headers: Record<string, string> = {
    "cache-control": "no-store",
    "vary": "Accept",
    ...(problem.status === 503 && { "retry-after": String(RETRY_AFTER_S) }),
    ...problem.headers,
  };
  const requestId = c.get("requestId") ?? "";
  if (wantsPage(c.req.header("accept"))) {
    const { pathname, search } = new URL(c.req.url);
    const page = problemPage({ problem, requestId, version, nonce: nonceOf(c), next: `${pathname}${search}` });
    return c.html(page, problem.status, headers);
  }
  const body = JSON.stringify(problemBody(problem, c.req.path, requestId));
  return c.body(body, problem.status, { "content-type": "application/problem+json", ...headers });
}

function asProblem(error: Error): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof HTTPException && error.status < 500) {
    return new HttpProblem("bad_query", "The request cannot be read.", { cause: error });
  }
  return databaseProblem(error) ??
    new HttpProblem("internal", "The log holds the cause under this request id.", { cause: error });
}
