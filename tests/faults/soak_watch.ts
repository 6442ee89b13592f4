// Samples one process and the database of a soak run, and judges what must not grow. Shell: reads /proc and catalogues; the judgement is pure.
import postgres from "postgres";

const EVERY_MS = 5_000;
const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

/** One look. Tables are by name, day tables summed under their parent's. */
export interface Sample {
  /** Since the start of the watch, ms. */
  readonly at: number;
  readonly rss: number;
  readonly descriptors: number;
  /** Empty where the database was away. */
  readonly tables: ReadonlyMap<string, { readonly bytes: number; readonly dead: number }>;
}

/** How one figure went. */
export interface Series {
  /** First value after the warm-up, last value, and the highest after the warm-up. */
  readonly warm: number;
  readonly end: number;
  readonly max: number;
  /** By least squares over all values after the warm-up. */
  readonly slopePerHour: number;
  /** Highest of the first and of the second half after the warm-up. */
  readonly halves: readonly [number, number];
}

/** Follows a series after `warmUpMs`. @throws Error where nothing was sampled after it */
export function follow(values: readonly (readonly [at: number, value: number])[], warmUpMs: number): Series {
  const kept = values.filter(([at]) => at >= warmUpMs);
  if (kept.length < 2) throw new Error(`${kept.length} samples after the warm-up: the run is too short`);
  const n = kept.length;
  const meanAt = kept.reduce((sum, [at]) => sum + at, 0) / n;
  const mean = kept.reduce((sum, [, value]) => sum + value, 0) / n;
  let covariance = 0, variance = 0;
  for (const [at, value] of kept) {
    covariance += (at - meanAt) * (value - mean);
    variance += (at - meanAt) ** 2;
  }
  const middle = (kept[0]![0] + kept[n - 1]![0]) / 2;
  const highest = (part: typeof kept) => part.reduce((most, [, value]) => Math.max(most, value), 0);
  return {
    warm: kept[0]![1],
    end: kept[n - 1]![1],
    max: highest(kept),
    slopePerHour: covariance / variance * HOUR_MS,
    halves: [highest(kept.filter(([at]) => at <= middle)), highest(kept.filter(([at]) => at > middle))],
  };
}

/** Why the size of a table is bounded, by name; what is not named here holds rows for what was read and is judged by bytes a row. */
const ROWS_MAX: Readonly<Record<string, number>> = {
  stream: 1,
  rollup_progress: 1,
  lease: 10,
  data_gap: 0,
  source_generation: 0,
};
/** Rows that are updated in place, over and over: what is beyond them is dead versions until the next autovacuum. */
const UPDATED_IN_PLACE = new Set(["stream", "stream_partition", "dead_letter_count", "rollup_progress", "lease"]);
const UPDATED_BYTES_MAX = 4 * MIB;
/** The longest row with its index entries: a commit's partitions as JSON, or four texts. */
const BYTES_PER_ROW_MAX = 1_024;
const EMPTY_TABLE_BYTES = 256 * 1024;

/** Whether the slopes say anything: a shorter time shows only how the heap and the windows breathe. */
export const JUDGED_AFTER_MS = 20 * 60_000;

/** What is too much, in words; nothing where all is well. `rows` = rows of each table at the end. */
export function excesses(
  series: { readonly rss: Series; readonly descriptors: Series; readonly tables: ReadonlyMap<string, Series> },
  rows: ReadonlyMap<string, number>,
  measuredMs: number,
): string[] {
  const found: string[] = [];
  const { rss, descriptors, tables } = series;
  if (measuredMs >= JUDGED_AFTER_MS) {
    if (rss.slopePerHour > 20 * MIB) {
      found.push(`RSS grows by ${(rss.slopePerHour / MIB).toFixed(1)} MiB/h (20 allowed)`);
    }
    if (descriptors.slopePerHour > 5) {
      found.push(`descriptors grow by ${descriptors.slopePerHour.toFixed(1)}/h (5 allowed)`);
    }
  }
  for (const [name, table] of tables) {
    const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
    const most = ROWS_MAX[name];
    if (most !== undefined && (rows.get(name) ?? 0) > most) {
      found.push(`${name} has ${rows.get(name)} rows (${most} allowed)`);
    }
    if (UPDATED_IN_PLACE.has(name)) {
      if (table.max > UPDATED_BYTES_MAX) {
        found.push(`${name} took ${mib(table.max)} (${mib(UPDATED_BYTES_MAX)} allowed)`);
      }
    } else if (name === "open_delta") {
      // It holds open windows alone, and reuses the space of closed ones: its peaks must not rise.
      const [first, second] = table.halves;
      if (measuredMs >= JUDGED_AFTER_MS && second > 1.25 * first + 8 * MIB) {
        found.push(`open_delta peaked at ${mib(first)} in the first half and at ${mib(second)} in the second`);
      }
    } else {
      const allowed = EMPTY_TABLE_BYTES + BYTES_PER_ROW_MAX * (rows.get(name) ?? 0);
      if (table.max > allowed) {
        found.push(`${name} took ${mib(table.max)} for ${rows.get(name)} rows (${mib(allowed)} allowed)`);
      }
    }
  }
  return found;
}

/** Looks every 5 s until stopped. */
export class Watch implements AsyncDisposable {
  readonly samples: Sample[] = [];
  readonly #startedAt = performance.now();
  readonly #sql: postgres.Sql;
  readonly #ending = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #ended = false;

  constructor(database: string, readonly pid: number) {
    this.#sql = postgres(database, {
      max: 1,
      connect_timeout: 5,
      onnotice: () => {},
      connection: { application_name: "watch", statement_timeout: 3_000 },
    });
    this.#running = this.#run();
  }

  /** Elapsed, ms. */
  get elapsed(): number {
    return performance.now() - this.#startedAt;
  }

  /** Follows RSS, descriptors and each table after `warmUpMs`. */
  series(warmUpMs: number): { rss: Series; descriptors: Series; tables: Map<string, Series> } {
    const tables = new Map<string, [number, number][]>();
    for (const sample of this.samples) {
      for (const [name, { bytes }] of sample.tables) {
        const list = tables.get(name);
        if (list) list.push([sample.at, bytes]);
        else tables.set(name, [[sample.at, bytes]]);
      }
    }
    return {
      rss: follow(this.samples.map(({ at, rss }) => [at, rss]), warmUpMs),
      descriptors: follow(this.samples.map(({ at, descriptors }) => [at, descriptors]), warmUpMs),
      tables: new Map([...tables].map(([name, values]) => [name, follow(values, warmUpMs)])),
    };
  }

  /** The most dead rows of each table after the warm-up, as the server estimates them. */
  deadRows(warmUpMs: number): Map<string, number> {
    const most = new Map<string, number>();
    for (const { at, tables } of this.samples) {
      if (at < warmUpMs) continue;
      for (const [name, { dead }] of tables) most.set(name, Math.max(dead, most.get(name) ?? 0));
    }
    return most;
  }

  /** Exact rows of each table now. */
  async rows(): Promise<Map<string, number>> {
    const names = [...this.samples.findLast(({ tables }) => tables.size > 0)?.tables.keys() ?? []];
    const rows = new Map<string, number>();
    await this.#sql`set statement_timeout = 0`;
    for (const name of names) {
      const [row] = await this.#sql`select count(*)::float8 as rows from ${this.#sql(name)}`;
      rows.set(name, row!.rows);
    }
    return rows;
  }

  /** Ends the looking; the connection stays for {@link rows}. */
  async stop(): Promise<void> {
    this.#ended = true;
    this.#ending.resolve();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#sql.end({ timeout: 2 });
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      const due = performance.now() + EVERY_MS;
      const process = await this.#process();
      if (process === undefined) return; // it has ended: the soak's own check finds that out
      this.samples.push({ at: this.elapsed, ...process, tables: await this.#tables() });
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([
        new Promise((resolve) => timer = setTimeout(resolve, due - performance.now())),
        this.#ending.promise,
      ]);
      clearTimeout(timer);
    }
  }

  async #process(): Promise<{ rss: number; descriptors: number } | undefined> {
    try {
      const status = await Deno.readTextFile(`/proc/${this.pid}/status`);
      const descriptors = (await Array.fromAsync(Deno.readDir(`/proc/${this.pid}/fd`))).length;
      const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
      return kib === undefined ? undefined : { rss: Number(kib) * 1024, descriptors };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  async #tables(): Promise<Sample["tables"]> {
    try {
      const rows = await this.#sql`
        select regexp_replace(relname, '_[0-9]{8}$', '') as name,
               sum(pg_total_relation_size(oid))::float8 as bytes, sum(pg_stat_get_dead_tuples(oid))::float8 as dead
        from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> 'schema_migration' group by 1`;
      return new Map(rows.map((row) => [row.name as string, { bytes: row.bytes as number, dead: row.dead as number }]));
    } catch {
      return new Map(); // the database is restarting, or its tables are locked: that is the run's subject
    }
  }
}
