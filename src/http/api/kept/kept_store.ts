// The SQL of saved views, notes on days, and messages. Reads and writes the database by single statements.
import type { ReadDatabase } from "../../../shared/sql.ts";
import { ms } from "../../server/sql_time.ts";

export interface SavedView {
  readonly name: string;
  /** Query of the overview, without the question mark. */
  readonly query: string;
  /** Epoch ms. */
  readonly updated_at: number;
}

export interface DayNote {
  readonly id: number;
  /** YYYY-MM-DD. */
  readonly day: string;
  readonly note: string;
  /** Epoch ms. */
  readonly created_at: number;
}

/** A message and its delivery; times in epoch ms. */
export interface DeliveryRow {
  readonly id: string;
  readonly kind: "report" | "alert";
  /** Name of the saved view that a report is about; null = the whole stream. */
  readonly view: string | null;
  readonly day_from: string;
  readonly day_to: string;
  readonly target: string;
  readonly state: "pending" | "sent" | "failed";
  readonly attempts: number;
  readonly last_error: string | null;
  readonly created_at: number;
  readonly next_attempt_at: number | null;
  readonly sent_at: number | null;
}

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

/** Removes a view; false if there is none of that name. */
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

/** Removes a note; false if there is none of that number. */
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
