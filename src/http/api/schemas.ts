// Parts of schemas that several resources share, and the responses of every route. No I/O.
import { z } from "@hono/zod-openapi";
import { epochMs, isoOrNull } from "../../shared/units.ts";
import { problemSchema } from "../server/problem.ts";
import { integerField } from "../server/validation.ts";

/** RFC 3339 in UTC with milliseconds. */
export const timeSchema = z.string().openapi({ format: "date-time", example: "2026-01-31T00:05:00.000Z" });
/** A time, or null for "not yet". */
export const maybeTimeSchema = timeSchema.nullable();

/** Whether a number can still change. */
export const certaintySchema = z.enum(["final", "provisional"]).openapi("Certainty", {
  description:
    "final: no later record can change it. provisional: it may still rise, or it rests on a silence that no later record has confirmed.",
});

/** A count of records or hits: exact up to 2^53. */
export const countSchema = z.int().min(0);

/** A named schema or null. `.nullable()` would be lost in the document, which only refers to the name. */
export function orNull<S extends z.ZodType>(schema: S) {
  return z.union([schema, z.null()]);
}

/** Length of a page. */
export const limitField = integerField(1, 1000, "Rows of a page.").default(100);
/** End of the previous page. */
export const cursorField = z.string().max(500, "must be a cursor of the page before").optional()
  .openapi({ description: "`next_cursor` of the page before." });
export const nextCursorSchema = z.string().nullable().openapi({
  description: "Pass as `cursor` for the next page; null on the last one.",
});

/** A number of SQL (epoch ms, or null) as RFC 3339. */
export function iso(time: number | null): string | null {
  return time === null ? null : isoOrNull(epochMs(time));
}

/** As {@link iso}, for a time that is never null. */
export function isoAlways(time: number): string {
  return new Date(time).toISOString();
}

/** The row of a shape as SQL returns it: the times that `T` names are epoch ms. */
export type RowOf<Shape, T extends keyof Shape = never> = {
  readonly [K in keyof Shape]: K extends T ? null extends Shape[K] ? number | null : number : Shape[K];
};

/** The row in the shape of the answer: the named times as RFC 3339. */
export function withIso<Row extends object, const T extends readonly (keyof Row)[]>(row: Row, ...times: T) {
  const written = times.map((name) => [name, iso(row[name] as number | null)]);
  return { ...row, ...Object.fromEntries(written) } as {
    readonly [K in keyof Row]: K extends T[number] ? null extends Row[K] ? string | null : string : Row[K];
  };
}

/** A refusal in the document. */
export const documentedProblem = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: problemSchema } },
});

/** Responses of a route that reads the database. */
export function jsonResponses<S extends z.ZodType>(schema: S, description: string) {
  return {
    200: { description, content: { "application/json": { schema } } },
    ...refusals,
    ...databaseRefusals,
  };
}

/** Refusals of any route. */
export const refusals = {
  400: documentedProblem("A parameter is wrong; `errors` names it and what is allowed."),
  401: documentedProblem("A token is required."),
  403: documentedProblem("The token does not allow this, or only this machine may ask."),
  414: documentedProblem("The address is too long."),
  429: documentedProblem("Too many requests; see Retry-After."),
};

/** Further refusals of a route that reads the database. */
export const databaseRefusals = { 503: documentedProblem("The database does not answer, or not in time.") };
