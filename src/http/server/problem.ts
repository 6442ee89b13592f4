// Errors for callers: application/problem+json (RFC 9457) with a stable code. No I/O.
import { z } from "@hono/zod-openapi";

/** Status and title of each problem by code. */
export const PROBLEMS = {
  bad_query: { status: 400, title: "A parameter is wrong" },
  body_not_allowed: { status: 400, title: "Requests have no body here" },
  unauthorized: { status: 401, title: "A token is required" },
  forbidden: { status: 403, title: "This token does not reach that far" },
  read_only: { status: 403, title: "This process only reads" },
  not_local: { status: 403, title: "Only this machine may ask" },
  not_found: { status: 404, title: "There is nothing here" },
  method_not_allowed: { status: 405, title: "The method is not allowed" },
  not_acceptable: { status: 406, title: "The format is not known" },
  url_too_long: { status: 414, title: "The address is too long" },
  rate_limited: { status: 429, title: "Too many requests" },
  internal: { status: 500, title: "An error of ours" },
  database_unavailable: { status: 503, title: "The database does not answer" },
  query_timeout: { status: 503, title: "The query took too long" },
  schema_missing: { status: 503, title: "The database has no tables yet" },
  stream_missing: { status: 503, title: "There is no stream yet" },
  overloaded: { status: 503, title: "Too much at once" },
} as const;

type ProblemCode = keyof typeof PROBLEMS;

/** A wrong field. `allowed`: the allowed values, as a list or in words. */
const fieldErrorSchema = z.strictObject({
  field: z.string().openapi({ example: "limit" }),
  message: z.string().openapi({ example: "must be at most 1000" }),
  allowed: z.array(z.string()).optional().openapi({ example: ["1 to 1000"] }),
}).openapi("FieldError");

export type FieldError = z.infer<typeof fieldErrorSchema>;

export const problemSchema = z.strictObject({
  type: z.string().openapi({ example: "urn:tidemark:problem:bad_query" }),
  title: z.string(),
  status: z.int(),
  code: z.string().openapi({ description: "Stable name of the problem.", example: "bad_query" }),
  detail: z.string(),
  instance: z.string().openapi({ description: "Path of the request." }),
  request_id: z.string(),
  errors: z.array(fieldErrorSchema).optional(),
}).openapi("Problem");

type Problem = z.infer<typeof problemSchema>;

interface ProblemOptions extends ErrorOptions {
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** Ends a request with a problem; the application's `onError` catches it. The caller sees `detail`. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly errors: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;
  constructor(readonly code: ProblemCode, readonly detail: string, options: ProblemOptions = {}) {
    super(detail, options);
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }

  get status() {
    return PROBLEMS[this.code].status;
  }
}

/** A {@link HttpProblem} about one parameter. */
export function badField(field: string, message: string, allowed?: readonly string[]): HttpProblem {
  return new HttpProblem("bad_query", `${field} ${message}.`, {
    errors: [{ field, message, ...(allowed && { allowed: [...allowed] }) }],
  });
}

/** The document of a problem. `path` is the request's without its query, which may contain a token. */
export function problemBody(problem: HttpProblem, path: string, requestId: string): Problem {
  const { status, title } = PROBLEMS[problem.code];
  return {
    type: `urn:tidemark:problem:${problem.code}`,
    title,
    status,
    code: problem.code,
    detail: problem.detail,
    instance: path.slice(0, 200),
    request_id: requestId,
    ...(problem.errors.length > 0 && { errors: [...problem.errors] }),
  };
}
