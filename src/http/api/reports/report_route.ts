// Serves one report: checks the query, reads the version, answers 304 if nothing changed, else in the requested format. Reads the database.
import { createRoute, z } from "@hono/zod-openapi";
import type { ZodRawShape, ZodType } from "zod";
import type { Parameters, QueryProblem, QueryResult } from "../../../report/report_query.ts";
import { addDays, dayStart, type LocalDate } from "../../../report/time_zone.ts";
import type { EpochMs } from "../../../shared/units.ts";
import { cacheHeaders, type CacheScope, type DataVersion, isUnchanged } from "../../server/caching.ts";
import { codeOf, type ReadDatabase } from "../../../shared/sql.ts";
import type { App, AppContext, AppDeps } from "../../server/deps.ts";
import { badField, type FieldError, type HttpProblem } from "../../server/problem.ts";
import { type Body, withByteOrderMark } from "./report_answers.ts";
import { acceptedFormat, type Format, FORMAT_NAMES, FORMATS } from "./report_format.ts";
import { documentedProblem, jsonResponses } from "../schemas.ts";
import { badQuery, fieldErrors, queryOf, type ValidationResult } from "../../server/validation.ts";

/** The request for a report, without its query. */
export interface Asked {
  readonly format: Format;
  /** Parameters of the request, without defaults. */
  readonly given: Parameters;
  readonly deadlineMs: number;
}

/** A query for local days, both inclusive; reports without a range use only complete days. */
export interface Ranged {
  readonly tz: string;
  readonly from?: LocalDate;
  readonly to?: LocalDate;
}

/** The definition of a report's route. */
interface ReportDefinition<Q extends Ranged> {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** Its parameters. */
  readonly shape: ZodRawShape;
  readonly response: ZodType;
  readonly query: (given: Parameters, now: EpochMs) => QueryResult<Q>;
  readonly answer: (database: ReadDatabase, query: Q, asked: Asked) => Promise<Body>;
}

const HTTP_PARAMETERS = {
  format: z.enum(FORMAT_NAMES).optional().openapi({ description: "Instead of the Accept header. Default: json." }),
  bom: z.enum(["true", "false"]).default("false").openapi({
    description: "Whether CSV begins with a byte order mark: Excel then reads it as UTF-8.",
  }),
  rev: z.string().max(100).optional().openapi({
    description: "Revision of the data. Caches may keep the answer of an address with a revision without end.",
  }),
};

/** Registers `/v1/reports/{name}`. */
export function registerReport<Q extends Ranged>(
  app: App,
  deps: AppDeps,
  version: () => Promise<DataVersion>,
  report: ReportDefinition<Q>,
): void {
  const responses = jsonResponses(report.response, "The report.");
  const text = { schema: z.string() };
  const route = createRoute({
    method: "get",
    path: `/v1/reports/${report.name}`,
    tags: ["Reports"],
    summary: report.summary,
    description: report.description,
    request: { query: queryOf({ ...report.shape, ...HTTP_PARAMETERS }) },
    responses: {
      ...responses,
      200: {
        description: "The report.",
        content: { ...responses[200].content, "text/csv": text, "application/x-ndjson": text, "text/plain": text },
      },
      304: { description: "Nothing changed since the ETag in If-None-Match." },
      406: documentedProblem("None of the formats in Accept is available."),
    },
  });
  app.openapi(route, async (c) => {
    const { format: asked, rev: _rev, bom, ...given } = c.req.query();
    const query = checkedQuery(report.query(given, deps.clock.now()));
    const format = asked === undefined ? acceptedFormat(c.req.header("accept")) : asked as Format;
    const coverage = coverageOf(query, given, format);
    const cache = cacheHeaders(c, deps.settings.access, await version(), coverage);
    if (isUnchanged(c, cache.etag)) return c.body(null, 304, cache);
    const body = await report.answer(deps.database, query, {
      format,
      given,
      deadlineMs: deps.settings.deepQueryTimeoutMs,
    })
      .catch((error) => Promise.reject(zoneProblem(error) ?? error));
    const marked = format === "csv" && bom === "true" ? withByteOrderMark(body) : body;
    return c.body(marked, 200, { ...cache, ...contentHeaders(report.name, format, query) });
  }, refuseReportQuery((given) => report.query(given, deps.clock.now())));
}

/** The hook of a report's route: the report's messages about its parameters are better than the schema's. */
export function refuseReportQuery(query: (given: Parameters) => QueryResult<unknown>) {
  return (result: ValidationResult, c: AppContext): undefined => {
    if (result.success) return undefined;
    const { format: _format, rev: _rev, bom: _bom, token: _token, ...given } = c.req.query();
    const own = query(given);
    const told = own.ok ? [] : asErrors(own.problems);
    const others = fieldErrors(result.error, c).filter((e) => !told.some((known) => known.field === e.field));
    throw badQuery([...told, ...others]);
  };
}

/** The query, or a problem with all its faults. */
export function checkedQuery<Q>(result: QueryResult<Q>): Q {
  if (result.ok) return result.query;
  throw badQuery(asErrors(result.problems));
}

/** A report's problems as problems of the API. */
function asErrors(problems: readonly QueryProblem[]): FieldError[] {
  return problems.map(({ field, message, allowed }) => ({
    field,
    message,
    ...(allowed.length > 0 && { allowed: [...allowed] }),
  }));
}

/** The days that an answer covers. */
export function coverageOf(query: Ranged, given: Parameters, variant: string): CacheScope {
  const { from, to, tz } = query;
  return {
    end: to === undefined ? null : dayStart(addDays(to, 1), tz),
    pinned: to === undefined || (given.from !== undefined && given.to !== undefined),
    variant: [variant, from, to].filter((part) => part !== undefined).join("."),
  };
}

/** PostgreSQL knows other time zones than the runtime does. */
export function zoneProblem(error: unknown): HttpProblem | undefined {
  return codeOf(error) === "22023"
    ? badField("tz", "is not known to PostgreSQL", ["UTC", "an IANA time zone such as Europe/Berlin"])
    : undefined;
}

function contentHeaders(name: string, format: Format, { from, to }: Ranged): Record<string, string> {
  const { type, suffix } = FORMATS[format];
  const file = ["tidemark", name, from, to].filter((part) => part !== undefined).join("_");
  return {
    "content-type": type,
    // A CSV is for a spreadsheet; a browser can show the other formats.
    ...(format === "csv" && { "content-disposition": `attachment; filename="${file}.${suffix}"` }),
  };
}
