// The SQL of messages. Shell: single statements over one connection pool.
import type { ReadDatabase } from "../shared/sql.ts";
import type { Due } from "./due.ts";
import type { Message } from "./message.ts";

const TIMEOUT_MS = 10_000;
/** A process that sends a message keeps it for this time, which is longer than any delivery; then another process may send it. */
const CLAIM_S = 120;
/** Messages are kept longer than they can be due. */
const KEPT_DAYS = 400;

/** A message that this process sends now. */
export interface Claimed {
  readonly message: Message;
  readonly target_key: string;
  /** Number of this delivery; 1 = the first. */
  readonly attempts: number;
  readonly age_ms: number;
}

/** The saved views with these names, each with the query of its address. */
export async function savedViews(
  database: ReadDatabase,
  names: readonly string[],
): Promise<readonly { readonly name: string; readonly query: string }[]> {
  return await database.query((sql) =>
    sql<{ name: string; query: string }[]>`
      select name, query from tm.saved_view
      where name = any(array(select jsonb_array_elements_text(${JSON.stringify(names)}::text::jsonb)))`, TIMEOUT_MS);
}

/** Ids of the messages that exist. */
export async function knownIds(database: ReadDatabase): Promise<Set<string>> {
  const rows = await database.query((sql) => sql<{ id: string }[]>`select id from tm.notification`, TIMEOUT_MS);
  return new Set(rows.map(({ id }) => id));
}

/** Stores a message; one that exists stays as it is. */
export async function storeMessage(database: ReadDatabase, due: Due, message: Message): Promise<void> {
  await database.query((sql) =>
    sql`
      insert into tm.notification (id, kind, day_from, day_to, target_key, target, message)
      values (${due.id}, ${due.kind}, ${due.from}::text::date, ${due.to}::text::date, ${due.target.key}, ${due.target.label},
        ${JSON.stringify(message)}::text::jsonb)
      on conflict (id) do nothing`, TIMEOUT_MS);
}

/** Takes the due message to `targets` that has waited longest, so that no other process sends it meanwhile; null if no message is due. */
export async function claim(database: ReadDatabase, targets: readonly string[]): Promise<Claimed | null> {
  const [row] = await database.query(
    (sql) =>
      sql<Claimed[]>`
      update tm.notification n
      set attempts = n.attempts + 1, claimed_until = now() + ${CLAIM_S}::integer * interval '1 second'
      from (select id from tm.notification
            where state = 'pending' and target_key = any(array(select jsonb_array_elements_text(${
        JSON.stringify(targets)
      }::text::jsonb))) and next_attempt_at <= now()
              and (claimed_until is null or claimed_until <= now())
            order by next_attempt_at, id limit 1 for update skip locked) due
      where n.id = due.id
      returning n.message, n.target_key, n.attempts, (extract(epoch from now() - n.created_at) * 1000)::float8 as age_ms`,
    TIMEOUT_MS,
  );
  return row ?? null;
}

/** Stores that the target accepted the message. */
export async function markSent(database: ReadDatabase, id: string): Promise<void> {
  await database.query(
    (sql) =>
      sql`
      update tm.notification set state = 'sent', sent_at = now(), claimed_until = null, last_error = null where id = ${id}`,
    TIMEOUT_MS,
  );
}

/** Stores that a delivery failed. `againInMs` null: the message is given up. */
export async function markFailed(
  database: ReadDatabase,
  id: string,
  { error, againInMs }: { readonly error: string; readonly againInMs: number | null },
): Promise<void> {
  await database.query((sql) =>
    sql`
      update tm.notification set state = case when ${
      againInMs === null
    }::boolean then 'failed' else 'pending' end, claimed_until = null,
        next_attempt_at = now() + ${
      Math.round(againInMs ?? 0)
    }::bigint * interval '1 millisecond', last_error = ${error}
      where id = ${id} and state = 'pending'`, TIMEOUT_MS);
}

/** Deletes old messages. */
export async function prune(database: ReadDatabase): Promise<void> {
  await database.query(
    (sql) => sql`delete from tm.notification where created_at < now() - ${KEPT_DAYS}::integer * interval '1 day'`,
    TIMEOUT_MS,
  );
}

/** The end of the closed windows in epoch ms; null before the first. */
export async function closedThrough(database: ReadDatabase): Promise<number | null> {
  const [row] = await database.query(
    (sql) =>
      sql<{ at: number }[]>`
      select (extract(epoch from closed_through) * 1000)::float8 as at from tm.stream where isfinite(closed_through)`,
    TIMEOUT_MS,
  );
  return row?.at ?? null;
}

/** Whether a message to one of `targets` has a failed delivery and waits. */
export async function anyWaits(database: ReadDatabase, targets: readonly string[]): Promise<boolean> {
  const [row] = await database.query((sql) =>
    sql<{ waits: boolean }[]>`
      select exists (select from tm.notification where state = 'pending' and attempts > 0
        and target_key = any(array(select jsonb_array_elements_text(${
      JSON.stringify(targets)
    }::text::jsonb)))) as waits`, TIMEOUT_MS);
  return row!.waits;
}
