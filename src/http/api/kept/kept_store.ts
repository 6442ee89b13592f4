// Saved views, notes on days, and messages: their shapes and their SQL. Reads and writes the database by single statements.
import { z } from "@hono/zod-openapi";
import { isLocalDate } from "../../../report/time_zone.ts";
import type { ReadDatabase } from "../../../shared/sql.ts";
import { ms } from "../../server/sql_time.ts";
import { countSchema, maybeTimeSchema, type RowOf, timeSchema } from "../schemas.ts";

/** Printable characters on one line, without the blanks around them. */
const lineOf = (max: number) =>
  z.string().trim().min(1, `must have 1 to ${max} characters`).max(max, `must have 1 to ${max} characters`)
    .refine((text) => /^\P{C}*$/u.test(text), "must be printable");
/** A view's name. */
export const viewName = lineOf(80);
/** A note's text. */
export const noteText = lineOf(200);
/** Query of the overview, without the question mark. */
export const viewQuery = z.string().max(4_000, "must have at most 4000 characters").regex(
  /^[\x21-\x7e]*$/,
  "must be a query of an address",
)
  .openapi({
    description: "Query of the overview's address, without the question mark.",
    example: "range=28d&filter=country:is:DE",
  });
/** A calendar day. */
export const dayField = z.string().refine((text) => isLocalDate(text), "must be a date such as 2026-01-31")
  .openapi({ format: "date", example: "2026-01-31" });

export const viewSchema = z.strictObject({ name: viewName, query: viewQuery, updated_at: timeSchema }).openapi("View");
export type SavedView = RowOf<z.infer<typeof viewSchema>, "updated_at">;

export const noteSchema = z.strictObject({ id: countSchema, day: dayField, note: noteText, created_at: timeSchema })
  .openapi("Note");
export type DayNote = RowOf<z.infer<typeof noteSchema>, "created_at">;

/** A message and its delivery. */
export const deliverySchema = z.strictObject({
  id: z.string().openapi({ description: "The same for every delivery of the message." }),
  kind: z.enum(["report", "alert"]),
  view: z.string().nullable().openapi({ description: "Saved view that a report is about; null = the whole stream." }),
  day_from: dayField,
  day_to: dayField,
  target: z.string().openapi({ description: "Host of a webhook, or an e-mail address." }),
  state: z.enum(["pending", "sent", "failed"]),
  attempts: countSchema,
  last_error: z.string().nullable(),
  created_at: timeSchema,
  next_attempt_at: maybeTimeSchema,
  sent_at: maybeTimeSchema,
}).openapi("Delivery");
export type DeliveryRow = RowOf<z.infer<typeof deliverySchema>, "created_at" | "next_attempt_at" | "sent_at">;

export const VIEWS_MAX = 200;
export const NOTES_MAX = 2_000;

/** All views, by name. */
export function readViews(database: ReadDatabase, deadlineMs: number): Promise<SavedView[]> {
  return database.query((sql) =>
    sql<SavedView[]>`
      select name, query, ${
      ms(sql, "updated_at")
    } as updated_at from tm.saved_view order by lower(name), name limit ${VIEWS_MAX}`, deadlineMs);
}

/** Notes of the days from `from` to `to`, both inclusive, or all notes; oldest first. */
export function readNotes(
  database: ReadDatabase,
  { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
  deadlineMs: number,
): Promise<DayNote[]> {
  return database.query((sql) =>
    sql<DayNote[]>`
      select id::float8 as id, to_char(day, 'YYYY-MM-DD') as day, note, ${
      ms(sql, "created_at")
    } as created_at from tm.day_note
      where day >= coalesce(${from ?? null}::text::date, '-infinity') and day <= coalesce(${
      to ?? null
    }::text::date, 'infinity')
      order by day, id limit ${NOTES_MAX}`, deadlineMs);
}

/** Saves a view and replaces one of the same name; false if there are too many. */
export async function saveView(
  database: ReadDatabase,
  { name, query }: Pick<SavedView, "name" | "query">,
  deadlineMs: number,
): Promise<boolean> {
  const rows = await database.query((sql) =>
    sql`
      insert into tm.saved_view (name, query) select ${name}, ${query}
      where (select count(*) from tm.saved_view where name <> ${name}) < ${VIEWS_MAX}::integer
      on conflict (name) do update set query = excluded.query, updated_at = now() returning 1`, deadlineMs);
  return rows.length > 0;
}

/** Removes a view; false if the name is unknown. */
export async function removeView(database: ReadDatabase, name: string, deadlineMs: number): Promise<boolean> {
  const rows = await database.query(
    (sql) => sql`delete from tm.saved_view where name = ${name} returning 1`,
    deadlineMs,
  );
  return rows.length > 0;
}

/** Adds a note; null if there are too many. */
export async function addNote(
  database: ReadDatabase,
  { day, note }: Pick<DayNote, "day" | "note">,
  deadlineMs: number,
): Promise<DayNote | null> {
  const [row] = await database.query(
    (sql) =>
      sql<DayNote[]>`
      insert into tm.day_note (day, note) select ${day}::text::date, ${note}
      where (select count(*) from tm.day_note) < ${NOTES_MAX}::integer
      returning id::float8 as id, to_char(day, 'YYYY-MM-DD') as day, note, ${ms(sql, "created_at")} as created_at`,
    deadlineMs,
  );
  return row ?? null;
}

/** Removes a note; false if the number is unknown. */
export async function removeNote(database: ReadDatabase, id: number, deadlineMs: number): Promise<boolean> {
  const rows = await database.query(
    (sql) => sql`delete from tm.day_note where id = ${id}::bigint returning 1`,
    deadlineMs,
  );
  return rows.length > 0;
}

/** The newest messages. */
export function readDeliveries(database: ReadDatabase, limit: number, deadlineMs: number): Promise<DeliveryRow[]> {
  return database.query((sql) =>
    sql<DeliveryRow[]>`
      select id, kind, message #>> '{fields,view}' as view, to_char(day_from, 'YYYY-MM-DD') as day_from,
             to_char(day_to, 'YYYY-MM-DD') as day_to, target, state, attempts, last_error,
             ${ms(sql, "created_at")} as created_at,
             case when state = 'pending' then ${ms(sql, "next_attempt_at")} end as next_attempt_at, ${
      ms(sql, "sent_at")
    } as sent_at
      from tm.notification order by created_at desc, id desc limit ${limit}`, deadlineMs);
}

/** Messages by state. */
export function countDeliveries(
  database: ReadDatabase,
  deadlineMs: number,
): Promise<{ readonly state: DeliveryRow["state"]; readonly messages: number }[]> {
  return database.query((sql) =>
    sql<{ state: DeliveryRow["state"]; messages: number }[]>`
      select s.state, count(n.id)::float8 as messages from (values ('pending'), ('sent'), ('failed')) s(state)
      left join tm.notification n using (state) group by 1`, deadlineMs);
}
