// Turns whatever a handler throws, and whatever no route answers, into a problem document; bugs are logged with their request id. Writes the log.
import { HTTPException } from "hono/http-exception";
import type { Log } from "../../shared/log.ts";
import { messageOf } from "../../shared/errors.ts";
import { databaseProblem } from "./database.ts";
import type { AppContext } from "./deps.ts";
import { HttpProblem, problemBody } from "./problem.ts";

/** Seconds after which a caller may try again when the database was away. */
const RETRY_AFTER_S = 2;

/** The response of one problem. Never cached. */
function problemResponse(c: AppContext, problem: HttpProblem): Response {
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    ...(problem.status === 503 && { "retry-after": String(RETRY_AFTER_S) }),
    ...problem.headers,
  };
  return c.body(JSON.stringify(problemBody(problem, c.req.path, c.get("requestId") ?? "")), problem.status, headers);
}

/** The application's one error handler. */
export function onError(log: Log): (error: Error, c: AppContext) => Response {
  return (error, c) => {
    const problem = asProblem(error);
    const fields = { path: c.req.path.slice(0, 200), requestId: c.get("requestId"), code: problem.code };
    if (problem.code === "internal") log.error(`request failed: ${messageOf(error)}`, fields);
    else if (problem.status === 503 && problem.code !== "overloaded") {
      log.warn(`request failed: ${messageOf(problem.cause ?? error)}`, fields);
    }
    return problemResponse(c, problem);
  };
}

function asProblem(error: Error): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof HTTPException && error.status < 500) {
    return new HttpProblem("bad_query", "The request cannot be read.", { cause: error });
  }
  return databaseProblem(error) ??
    new HttpProblem("internal", "The log holds the cause under this request id.", { cause: error });
}

/** Answers paths that no route knows. */
export function notFound(c: AppContext): Response {
  return problemResponse(c, new HttpProblem("not_found", "No such page. /docs lists them all."));
}

/** Answers methods that a known path does not take; `allow` is what it takes. */
export function methodRefused(c: AppContext, allow: readonly string[]): Response {
  const problem = new HttpProblem("method_not_allowed", `${c.req.path.slice(0, 200)} takes ${allow.join(" and ")}.`, {
    headers: { allow: allow.join(", ") },
  });
  return problemResponse(c, problem);
}
