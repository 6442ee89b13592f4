// Takes one access log through Kafka and through SOURCE=file and compares the tables with a count of its own, in log order. Shell.
import postgres from "postgres";
import type { TestBroker } from "../support/kafka_broker.ts";
import { tidemark } from "../support/process.ts";
import { topicBounds } from "./load.ts";
import { naiveKey } from "./oracle.ts";

/** Hits by `window start (epoch ms), host, referrer`. */
export type Counts = ReadonlyMap<string, number>;

/** A count of a log, or what a database holds of it. */
export interface LogCounts {
  readonly table: Counts;
  readonly late: Counts;
}

/** One comparison. */
export interface AccessLogResult {
  readonly title: string;
  readonly seconds: number;
  readonly rows: number;
  readonly hits: number;
  readonly lateHits: number;
  readonly differences: readonly string[];
}

/** Host of lines without a virtual-host column. */
export const LOG_HOST = "log.example.com";
const WINDOW_MS = 300_000;
const DELAY_MS = 60_000;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const LINE =
  /^\S+ \S+ \S+ \[(\d\d)\/(\w{3})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)\] "(?:[^"\\]|\\.)*" \S+ \S+(?: "((?:[^"\\]|\\.)*)" "(?:[^"\\]|\\.)*")?$/;

/**
 * Counts a common or combined log line by line: window, host and referrer, late where its window was over by the newest line before it.
 * Lines in another format are left out and counted in `bad`.
 */
export function countAccessLog(text: string): LogCounts & { readonly lines: number; readonly bad: number } {
  const table = new Map<string, number>();
  const late = new Map<string, number>();
  let watermark = -Infinity;
  let lines = 0, bad = 0;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const match = LINE.exec(line);
    if (!match) {
      bad++;
      continue;
    }
    lines++;
    const [, day, month, year, clock, hours, minutes, referrer = "-"] = match;
    const monthNumber = String(MONTHS.indexOf(month!) + 1).padStart(2, "0");
    const time = Date.parse(`${year}-${monthNumber}-${day}T${clock}${hours}:${minutes}`);
    const start = Math.floor(time / WINDOW_MS) * WINDOW_MS;
    const sent = referrer === "-" ? "" : naiveKey(referrer.replace(/\\(["\\])/g, "$1"));
    const key = `${start}\t${LOG_HOST}\t${sent}`;
    const rows = start + WINDOW_MS <= watermark ? late : table;
    rows.set(key, (rows.get(key) ?? 0) + 1);
    watermark = Math.max(watermark, time - DELAY_MS);
  }
  return { table, late, lines, bad };
}

/** Runs `produce` and `run --once` on `path` with so many partitions and compares. `database` is the URL of an empty database. */
export async function throughKafka(
  path: string,
  broker: TestBroker,
  database: string,
  partitions: number,
): Promise<AccessLogResult> {
  const expected = countAccessLog(await Deno.readTextFile(path));
  const startedAt = performance.now();
  const topic = `log-${crypto.randomUUID().slice(0, 8)}`;
  const folder = await Deno.makeTempDir({ prefix: "tidemark-log-" });
  const env = {
    KAFKA_URL: broker.url,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP: topic,
    POSTGRES_URL: database,
    DATA_DIR: folder,
  };
  try {
    const produced = tidemark(
      ["produce", path, "--host", LOG_HOST, "--create-topic", "--partitions", String(partitions)],
      { env },
    );
    const { code, stderr } = await produced.exit();
    if (code !== (expected.bad > 0 ? 6 : 0)) throw new Error(`produce ended with ${code}:\n${stderr}`);
    const sent = (await topicBounds(broker, topic)).reduce((sum, { high }) => sum + high, 0);
    await runOnce(env);
    const actual = await readCounts(database);
    const differences = partitions === 1
      ? [...differ("table", expected.table, actual.table), ...differ("late", expected.late, actual.late)]
      : differ("table and late", merged(expected), merged(actual));
    if (sent !== expected.lines) differences.push(`${expected.lines} lines in the log, ${sent} records in the topic`);
    return await result(
      `Kafka ${broker.version}, ${partitions} partition(s)`,
      startedAt,
      database,
      actual,
      differences,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs `SOURCE=file run --once` on `path` and compares. */
export async function throughFile(path: string, database: string): Promise<AccessLogResult> {
  const expected = countAccessLog(await Deno.readTextFile(path));
  const startedAt = performance.now();
  const folder = await Deno.makeTempDir({ prefix: "tidemark-log-" });
  try {
    await runOnce({ SOURCE: "file", FILE_PATH: path, FILE_HOST: LOG_HOST, POSTGRES_URL: database, DATA_DIR: folder });
    const actual = await readCounts(database);
    const differences = [
      ...differ("table", expected.table, actual.table),
      ...differ("late", expected.late, actual.late),
    ];
    return await result("SOURCE=file, no broker", startedAt, database, actual, differences);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runOnce(env: Readonly<Record<string, string>>): Promise<void> {
  const exit = await tidemark(["run", "--once"], { env: { LOG_FORMAT: "json", ...env } }).exit();
  if (exit.code !== 0) throw new Error(`run --once ended with ${exit.code}:\n${exit.stderr}`);
}

async function result(
  title: string,
  startedAt: number,
  database: string,
  actual: LogCounts,
  differences: string[],
): Promise<AccessLogResult> {
  const ledger = await ledgerProblems(database);
  return {
    title,
    seconds: (performance.now() - startedAt) / 1000,
    rows: actual.table.size,
    hits: total(actual.table),
    lateHits: total(actual.late),
    differences: [...differences, ...ledger],
  };
}

async function readCounts(database: string): Promise<LogCounts> {
  const sql = postgres(database, { max: 1, onnotice: () => {} });
  try {
    const read = async (table: "aggregated_web_traffic" | "late_web_traffic") => {
      const rows = await sql`
        select (extract(epoch from window_start) * 1000)::bigint::text as start, host, referrer, sum(num_hits)::int as hits
        from ${sql(table)} group by 1, 2, 3`;
      return new Map(rows.map((row): [string, number] => [`${row.start}\t${row.host}\t${row.referrer}`, row.hits]));
    };
    return { table: await read("aggregated_web_traffic"), late: await read("late_web_traffic") };
  } finally {
    await sql.end();
  }
}

/** Whatever does not add up, by SQL of our own; file offsets are bytes, so only their records are added there. */
async function ledgerProblems(database: string): Promise<string[]> {
  const sql = postgres(database, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql`
      select 'partition ' || partition as what, (next_offset - first_offset)::text as one, (counted + late + dead + null_records + skipped)::text as other
      from stream_partition, stream where offsets_count_records and next_offset - first_offset <> counted + late + dead + null_records + skipped
      union all
      select 'stream', c::text, h::text from
        (select sum(counted) as c from stream_partition) a,
        (select (select coalesce(sum(hits), 0) from web_traffic_window) + (select coalesce(sum(hits), 0) from open_delta) as h) b where c <> h
      union all
      select 'open windows', count(*)::text, '0' from open_delta having count(*) > 0`;
    return rows.map((row) => `ledger, ${row.what}: ${row.one} is not ${row.other}`);
  } finally {
    await sql.end();
  }
}

const total = (counts: Counts) => [...counts.values()].reduce((sum, hits) => sum + hits, 0);

function merged({ table, late }: LogCounts): Counts {
  const all = new Map(table);
  for (const [key, hits] of late) all.set(key, (all.get(key) ?? 0) + hits);
  return all;
}

function differ(what: string, expected: Counts, actual: Counts): string[] {
  const keys = new Set([...expected.keys(), ...actual.keys()]);
  const wrong = [...keys].filter((key) => expected.get(key) !== actual.get(key));
  if (wrong.length === 0) return [];
  const shown = wrong.slice(0, 5).map((key) =>
    `${key} expected ${expected.get(key) ?? 0}, got ${actual.get(key) ?? 0}`
  );
  return [`${what}: ${wrong.length} keys differ: ${shown.join("; ")}`];
}
