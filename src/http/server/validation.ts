// Turns zod's issues about a query into fields with their allowed values. No I/O.
import { z } from "@hono/zod-openapi";
import type { ZodError, ZodRawShape } from "zod";
import { suggestion } from "../../shared/config/suggest.ts";
import type { AppContext } from "./deps.ts";
import { type FieldError, HttpProblem } from "./problem.ts";

type Issue = ZodError["issues"][number];
/** Result of a validator. */
export type ValidationResult = { readonly success: true } | { readonly success: false; readonly error: ZodError };

/** The query of a route: only these parameters, each at most once. A problem about an unknown one lists them. */
export function queryOf<S extends ZodRawShape>(shape: S) {
  const names = Object.keys(shape).join(",");
  return z.strictObject(shape, { error: (issue) => issue.code === "unrecognized_keys" ? names : undefined });
}

/** An integer parameter in [min, max], both inclusive. */
export function integerField(min: number, max: number, description: string) {
  const error = `must be an integer from ${min} to ${max}`;
  return z.string().regex(/^\d{1,15}$/, error).transform(Number).pipe(z.int({ error }).min(min, error).max(max, error))
    .openapi({ type: "integer", minimum: min, maximum: max, description });
}

/** A point in time: RFC 3339 with zone, years 1970 to 9999; as epoch ms. */
export function timeField(description: string) {
  const error = "must be a time such as 2026-01-31T00:00:00Z";
  return z.iso.datetime({ offset: true, error }).transform((text) => Date.parse(text))
    .pipe(z.number({ error }).min(0, error).max(253_402_300_799_999, error))
    .openapi({ type: "string", format: "date-time", description, example: "2026-01-31T00:00:00Z" });
}

/** OpenAPIHono's `defaultHook`: a refused query or path gives one problem with all wrong fields. */
export function refuseInvalid(result: ValidationResult, c: AppContext): undefined {
  if (!result.success) throw badQuery(fieldErrors(result.error, c));
}

/** The problem of several wrong fields. */
export function badQuery(errors: readonly FieldError[]): HttpProblem {
  return new HttpProblem("bad_query", errors.map((e) => `${e.field} ${e.message}`).join("; ") + ".", { errors });
}

/** The wrong fields of the issues. */
export function fieldErrors(error: ZodError, c: AppContext): FieldError[] {
  const given = c.req.queries();
  return error.issues.flatMap((issue) => issueErrors(issue, given)).slice(0, 20);
}

/** Most characters of a caller's text in an answer. */
const ECHO_MAX = 60;

function issueErrors(issue: Issue, given: Readonly<Record<string, readonly string[]>>): FieldError[] {
  if (issue.code === "unrecognized_keys") {
    const allowed = /^[\w,]+$/.test(issue.message) ? issue.message.split(",") : [];
    return issue.keys.map((key) => key.slice(0, ECHO_MAX)).map((field) => ({
      field,
      message: `is not a parameter here${suggestion(field, allowed)}`,
      allowed,
    }));
  }
  const field = issue.path.map(String).join(".").slice(0, ECHO_MAX) || "query";
  if ((given[field]?.length ?? 0) > 1) return [{ field, message: "is given more than once" }];
  if (issue.code === "invalid_value") {
    const allowed = issue.values.map(String);
    return [{ field, message: `must be one of ${allowed.join(", ")}`, allowed }];
  }
  return [{ field, message: /^(must|is) /.test(issue.message) ? issue.message : `is wrong: ${issue.message}` }];
}
