// What keeps the database small and ready, beside the stream: day partitions ahead of need, retention, old history. Shell over SQL.
import { messageOf } from "../shared/errors.ts";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import { DAY, type DurationMs, MINUTE } from "../shared/units.ts";
import { utcDay } from "../window/tumbling.ts";
import { codeOf, type Database } from "./postgres/client.ts";

const EVERY = 10 * MINUTE as DurationMs;
const TIMEOUT_MS = 60_000;
/** Tomorrow's partition is there before midnight on every instance's clock. */
const DAYS_AHEAD = 1;

export interface MaintenanceOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** `undefined` = keep for ever. */
  readonly retentionDays: number | undefined;
}

/** Runs until the signal aborts; every step may be run by many instances at once, and a failed one is tried again. */
export async function runMaintenance(options: MaintenanceOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  while (!signal.aborted) {
    try {
      await maintain(options);
    } catch (error) {
      log.warn("maintenance failed, trying again later", { error: messageOf(error) });
    }
    await clock.sleep(EVERY, signal);
  }
}

/** Between two looks for an hour or day that is complete. */
const ROLL_UP_EVERY = 5_000 as DurationMs;

/**
 * Sums completed hours and days for the reports, until the signal aborts. Any number of instances may run it.
 *
 * @param closing whether windows are being closed just now: they come first, since reports read closed windows also where nothing is summed
 */
export async function runRollUp(
  { database, clock, log, closing }: Omit<MaintenanceOptions, "retentionDays"> & { readonly closing: () => boolean },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await rollUp(database, () => signal.aborted || closing());
    } catch (error) {
      log.warn("rolling up failed, trying again later", { error: messageOf(error) });
    }
    await clock.sleep(ROLL_UP_EVERY, signal);
  }
}

/** Rolls up every hour and day that is complete, one a statement, until nothing is left or `ended` says so. */
export async function rollUp(database: Database, ended: () => boolean): Promise<void> {
  while (!ended()) {
    const rows = await database.query(
      (sql) => sql<{ done: string }[]>`select tidemark_roll_up_v1()::text as done`,
      TIMEOUT_MS,
    );
    const { state } = JSON.parse(rows[0]!.done) as { state: "hour" | "day" | "forgotten" | "nothing" | "busy" };
    if (state === "nothing" || state === "busy") return;
  }
}

/** One round. */
export async function maintain({ database, clock, log, retentionDays }: MaintenanceOptions): Promise<void> {
  const now = clock.now();
  for (let ahead = 0; ahead <= DAYS_AHEAD; ahead++) {
    await database.query(
      (sql) => sql`select tidemark_ensure_day_v1(${utcDay(now + ahead * DAY)}::text::date)`,
      TIMEOUT_MS,
    );
  }
  await database.query(
    (sql) => sql`delete from commit_history where committed_at < now() - interval '7 days'`,
    TIMEOUT_MS,
  );
  await database.query(
    (sql) => sql`delete from dead_letter_sample where seen_at < now() - interval '30 days'`,
    TIMEOUT_MS,
  );
  await database.query(
    (sql) => sql`delete from dead_letter_range where seen_at < now() - interval '30 days'`,
    TIMEOUT_MS,
  );
  await mergeDeadRanges(database);
  if (retentionDays !== undefined) await retire(database, utcDay(now - retentionDays * DAY), log);
}

/** Ranges of dead letters that stay as they are, newest first, by partition and reason. */
export const DEAD_RANGES_KEPT = 200;

/**
 * Merges the older ranges of dead letters, by partition, reason and hour. A topic that mixes events with something else brings up to 16
 * ranges a partition, reason and second: 2 GB a day from four partitions and three reasons. What a merged range says is how many dead
 * letters lie between two offsets. Deleted rows are the source of the sums, so that an instance which merges at the same time, or a commit
 * that has just extended a range, loses none; the id, which orders pages, is that of the newest.
 */
async function mergeDeadRanges(database: Database): Promise<void> {
  await database.query(
    (sql) =>
      sql`
      with ranked as (
        select id, partition, reason, date_trunc('hour', seen_at) as hour,
               row_number() over (partition by partition, reason order by id desc) as n from dead_letter_range
      ), grouped as (
        select id, hour, count(*) over (partition by partition, reason, hour) as alike from ranked where n > ${DEAD_RANGES_KEPT}
      ), gone as (
        delete from dead_letter_range d using grouped g where d.id = g.id and g.alike > 1
        returning d.id, d.partition, d.reason, d.first_offset, d.last_offset, d.records, d.seen_at, g.hour
      )
      insert into dead_letter_range (id, partition, reason, first_offset, last_offset, records, seen_at)
      overriding system value
      select max(id), partition, reason, min(first_offset), max(last_offset), sum(records), max(seen_at) from gone group by partition, reason, hour`,
    TIMEOUT_MS,
  );
}

/** Drops whole days before `before` (a UTC day): the ledger is told first, in one transaction; then the table is detached and dropped. */
async function retire(database: Database, before: string, log: Log): Promise<void> {
  await database.query((sql) => sql`select tidemark_retire_v1(${before}::text::date)`, TIMEOUT_MS);
  const children = await database.query((sql) =>
    sql<{ name: string; attached: boolean }[]>`
      select c.relname as name, i.inhrelid is not null and not i.inhdetachpending as attached
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace and n.nspname = current_schema()
      left join pg_inherits i on i.inhrelid = c.oid
      where c.relname ~ '^aggregated_web_traffic_[0-9]{8}$' and c.relname < ${`aggregated_web_traffic_${
      before.replaceAll("-", "")
    }`}
      order by 1`, TIMEOUT_MS);
  for (const { name, attached } of children) {
    try {
      // CONCURRENTLY takes no lock that a report or a closing would wait behind; plain DROP TABLE would lock the parent.
      if (attached) {
        await database.query(
          (sql) => sql.unsafe(`alter table aggregated_web_traffic detach partition "${name}" concurrently`).simple(),
          TIMEOUT_MS,
        );
      }
      await database.query((sql) => sql.unsafe(`drop table if exists "${name}"`).simple(), TIMEOUT_MS);
      log.info("day dropped by retention", { table: name });
    } catch (error) {
      // 55006, 55P03: in use by another instance's maintenance; 42P01: it was faster; 0A000, 25001: the embedded database detaches plainly.
      if (codeOf(error) === "25001" || codeOf(error) === "0A000") {
        await database.query(
          (sql) =>
            sql.unsafe(`alter table aggregated_web_traffic detach partition "${name}"; drop table "${name}"`).simple(),
          TIMEOUT_MS,
        );
      } else if (!["55006", "55P03", "42P01", "55000"].includes(codeOf(error))) throw error;
    }
  }
}
