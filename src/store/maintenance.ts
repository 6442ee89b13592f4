// Maintenance of the database: day tables ahead of need, roll-ups, retention, old history. Shell over the functions of ddl/. Each call is
// one transaction; many instances may make it at once; it is tried again after a failure.
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import type { StepBoard, UpkeepStep } from "../shared/steps.ts";
import { DAY, type DurationMs, durationMs, MINUTE, SECOND } from "../shared/units.ts";
import { utcDay } from "../window/tumbling.ts";
import type { Database } from "./postgres/client.ts";

const UPKEEP_EVERY = durationMs(10 * MINUTE);
const RETENTION_EVERY = durationMs(10 * MINUTE);
/** Pause after a failure, or while another step or a lock has to come first. */
const RETRY_EVERY = durationMs(10 * SECOND);
/** Pause between two searches for a complete hour or day. */
const ROLL_UP_EVERY = durationMs(10 * SECOND);
const TIMEOUT_MS = 60_000;
/** Tomorrow's table exists before midnight by every instance's clock. */
const DAYS_AHEAD = 1;

interface MaintenanceOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly steps: StepBoard<UpkeepStep>;
}

/** Makes the tables of the next days and deletes old history, until the signal aborts. */
export async function runUpkeep(options: MaintenanceOptions, signal: AbortSignal): Promise<void> {
  await repeat(options, "upkeep", signal, async () => {
    await keepUp(options);
    return UPKEEP_EVERY;
  });
}

/**
 * Sums completed hours and days for the reports, until the signal aborts.
 *
 * @param closing whether windows are being closed now. Closing comes first: reports read closed windows, summed or not
 */
export async function runRollUp(
  options: MaintenanceOptions & { readonly closing: () => boolean; readonly breakdownValuesMax?: number },
  signal: AbortSignal,
): Promise<void> {
  await repeat(options, "roll_up", signal, async () => {
    await rollUp(options.database, () => signal.aborted || options.closing(), options.breakdownValuesMax);
    return ROLL_UP_EVERY;
  });
}

/** Retires days that are older than `retentionDays` and drops their tables, until the signal aborts; `undefined` keeps all. */
export async function runRetention(
  options: MaintenanceOptions & { readonly retentionDays: number | undefined },
  signal: AbortSignal,
): Promise<void> {
  await repeat(options, "retention", signal, async () => await retain(options) ? RETENTION_EVERY : RETRY_EVERY);
}

/** Repeats a step and records its state. `run` returns the pause before the next round. */
async function repeat(
  { clock, log, steps }: MaintenanceOptions,
  step: UpkeepStep,
  signal: AbortSignal,
  run: () => Promise<DurationMs>,
): Promise<void> {
  while (!signal.aborted) {
    let pause = RETRY_EVERY;
    try {
      pause = await run();
      // A step that waits has recorded that itself.
      if (pause !== RETRY_EVERY) steps.succeeded(step);
    } catch (error) {
      steps.failed(step, error);
      const { code, message } = steps.states()[step].problem!;
      log.warn(`${step.replace("_", " ")} failed, trying again later`, { code, error: message });
    }
    await clock.sleep(pause, signal);
  }
}

/**
 * Rolls up complete hours and days, first of rows and then of breakdowns, one per statement, until none is left or `ended` returns true.
 *
 * @param breakdownValuesMax values a host, hour and dimension that are kept
 */
export async function rollUp(database: Database, ended: () => boolean, breakdownValuesMax = 1_000): Promise<void> {
  for (const step of ["tm.tidemark_roll_up_v2()", `tm.tidemark_roll_up_breakdown_v1(${breakdownValuesMax})`]) {
    while (!ended()) {
      const { state } = await call<"hour" | "day" | "forgotten" | "nothing" | "busy">(database, step);
      if (state === "nothing" || state === "busy") break;
    }
  }
}

/** One round of upkeep. */
export async function keepUp({ database, clock }: Pick<MaintenanceOptions, "database" | "clock">): Promise<void> {
  for (let ahead = 0; ahead <= DAYS_AHEAD; ahead++) {
    const day = utcDay(clock.now() + ahead * DAY);
    await database.query((sql) => sql`select tm.tidemark_ensure_day_v2(${day}::text::date)`, TIMEOUT_MS);
  }
  await database.query((sql) => sql`select tm.tidemark_identify_v1()`, TIMEOUT_MS);
  await database.query((sql) => sql`select tm.tidemark_prune_v2()`, TIMEOUT_MS);
  await database.query((sql) => sql`select tm.tidemark_merge_dead_ranges_v1()`, TIMEOUT_MS);
}

/** One round of retention. Returns false if a day has to wait: for its closing or roll-up, or for a session that uses its table. */
export async function retain(
  { database, clock, log, steps, retentionDays }: MaintenanceOptions & { readonly retentionDays: number | undefined },
): Promise<boolean> {
  let waits = false;
  while (retentionDays !== undefined) {
    const before = utcDay(clock.now() - retentionDays * DAY);
    const done = await call<"retired" | "waiting" | "busy" | "nothing">(database, `tm.tidemark_retire_v3('${before}')`);
    if (done.state === "retired") log.info("day retired", { day: done.day, hits: done.hits });
    else {
      waits = done.state === "waiting" || done.state === "busy";
      if (done.state === "waiting") {
        const what = done.reason === "not_closed" ? "has windows that are not closed" : "is not rolled up";
        steps.waits("retention", {
          code: "retention_waits",
          message: `${done.day} is older than RETENTION_DAYS but cannot be dropped yet: it ${what} yet.`,
          action: "It is dropped once that is done. Check the state of closing and roll_up.",
        });
      }
      break;
    }
  }
  for (;;) {
    const done = await call<"dropped" | "waiting" | "nothing">(database, "tm.tidemark_drop_retired_v1()");
    if (done.state === "dropped") log.info("table of a retired day dropped", { table: done.table });
    else {
      if (done.state === "waiting") {
        waits = true;
        steps.waits("retention", {
          code: "retention_waits",
          message: `${done.table}, of a retired day, cannot be dropped yet: other sessions use it.`,
          action: "It is dropped once they end. pg_stat_activity shows long transactions.",
        });
      }
      return !waits;
    }
  }
}

interface Done<State> {
  readonly state: State;
  readonly day?: string;
  readonly reason?: string;
  readonly hits?: number;
  readonly table?: string;
}

/** Calls a function of ddl/ that returns a JSON object with a `state`. */
async function call<State>(database: Database, expression: string): Promise<Done<State>> {
  const [row] = await database.query(
    (sql) => sql.unsafe<{ done: string }[]>(`select ${expression}::text as done`),
    TIMEOUT_MS,
  );
  return JSON.parse(row!.done) as Done<State>;
}
