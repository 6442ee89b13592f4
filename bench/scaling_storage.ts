// `deno task bench storage`: what PostgreSQL is given per event, row, key and commit: bytes, write-ahead log, processor time. Starts a server of its own.
// Method: the same demo traffic is counted with commits of different sizes; events and rows stay equal, dirty keys differ, so that a line through
// the runs tells the shares of keys and rows apart. The figures stand in src/cli/plan/plan_figures.ts.
import postgres from "postgres";
import { REPOSITORY } from "../tests/support/process.ts";
import { startPostgres, type TestPostgres } from "../tests/support/postgres.ts";

const RATE = Number(Deno.args[0] ?? 12);
const KEYS_PER_COMMIT = [200_000, 20_000, 4_000, 1_000];
const HISTORY_DAYS = 1;

interface Run {
  readonly maxDeltaKeys: number;
  readonly events: number;
  readonly rows: number;
  readonly commits: number;
  readonly dirtyKeys: number;
  readonly walBytes: number;
  readonly serviceCpuSeconds: number;
  readonly serviceMemoryMiB: number;
  readonly postgresCpuSeconds: number;
}

/** Counts the demo's history once, with commits of at most so many keys. */
async function count(server: TestPostgres, maxDeltaKeys: number): Promise<{ run: Run; url: string }> {
  const url = await server.createDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const folder = await Deno.makeTempDir();
  try {
    const lsn = async () => (await sql<{ lsn: string }[]>`select pg_current_wal_insert_lsn()::text as lsn`)[0]!.lsn;
    await tidemark(["migrate"], { POSTGRES_URL: url, DATA_DIR: folder, LOG_LEVEL: "error" });
    await sql`checkpoint`;
    const before = await lsn(), cpuBefore = await postgresCpu(server.port);
    const service = await tidemark(["run", "--once"], {
      POSTGRES_URL: url,
      DATA_DIR: folder,
      SOURCE: "demo",
      DEMO_RATE: String(RATE),
      DEMO_HISTORY_DAYS: String(HISTORY_DAYS),
      MAX_DELTA_KEYS: String(maxDeltaKeys),
      LOG_LEVEL: "error",
    });
    const postgresCpuSeconds = await postgresCpu(server.port) - cpuBefore;
    const [figures] = await sql<
      Omit<Run, "maxDeltaKeys" | "serviceCpuSeconds" | "serviceMemoryMiB" | "postgresCpuSeconds">[]
    >`
      select (select sum(counted)::float8 from stream_partition) as events,
             (select sum(row_count)::float8 from web_traffic_window) as rows,
             (select count(*)::float8 from commit_history) as commits,
             (select sum(keys)::float8 from commit_history) as "dirtyKeys",
             pg_wal_lsn_diff(pg_current_wal_insert_lsn(), ${before}::pg_lsn)::float8 as "walBytes"`;
    return {
      run: {
        ...figures!,
        maxDeltaKeys,
        serviceCpuSeconds: service.cpuSeconds,
        serviceMemoryMiB: service.memoryMiB,
        postgresCpuSeconds,
      },
      url,
    };
  } finally {
    await sql.end();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs the program to its end and resolves with its processor seconds and most memory, looked at every 50 ms. */
async function tidemark(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--expose-gc", "src/main.ts", ...args],
    cwd: REPOSITORY,
    env: { ...env, DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "null",
  }).spawn();
  let ended = false, cpuSeconds = 0, memoryMiB = 0;
  const status = child.status.finally(() => ended = true);
  while (!ended) {
    const stat = await Deno.readTextFile(`/proc/${child.pid}/stat`).catch(() => "");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
    if (stat !== "" && fields[11]! > 0) cpuSeconds = (fields[11]! + fields[12]!) / 100;
    const most = /VmHWM:\s+(\d+)/.exec(await Deno.readTextFile(`/proc/${child.pid}/status`).catch(() => ""));
    if (most) memoryMiB = Number(most[1]) / 1024;
    await Promise.race([status, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
  if (!(await status).success) throw new Error(`tidemark ${args.join(" ")} failed`);
  return { cpuSeconds, memoryMiB };
}

/** Processor seconds of a server and its backends, living and ended, in clock ticks of 10 ms. */
async function postgresCpu(port: number): Promise<number> {
  const { stdout } = await new Deno.Command("ps", { args: ["-A", "-o", "pid=,ppid=,args="] }).output();
  const processes = new TextDecoder().decode(stdout).split("\n").map((line) =>
    line.trim().match(/^(\d+)\s+(\d+)\s+(.*)$/)
  ).filter((m) => m !== null).map(([, pid, ppid, args]) => ({ pid: pid!, ppid: ppid!, args: args! }));
  const main = processes.find(({ args }) => /postgres\b/.test(args) && args.includes(`port=${port}`))?.pid;
  if (main === undefined) throw new Error(`no server on port ${port}`);
  let ticks = 0;
  for (const { pid } of processes.filter((p) => p.pid === main || p.ppid === main)) {
    const text = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
    // utime and stime of each; cutime and cstime of the main process hold the backends that have ended.
    if (text !== "") ticks += fields[11]! + fields[12]! + (pid === main ? fields[13]! + fields[14]! : 0);
  }
  return ticks / 100;
}

/** Bytes of tables and indexes, after every hour and day is rolled up. */
async function sizes(url: string) {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    for (let state = ""; state !== "nothing";) {
      const [row] = await sql<{ state: string }[]>`select tidemark_roll_up_v2() ->> 'state' as state`;
      state = row!.state;
    }
    // The demo has too few keys for a size per key: page rounding would be most of it.
    await sql`create table many_days (like web_traffic_day including all)`;
    await sql`create table many_hours (like web_traffic_day_hours including all)`;
    await sql`insert into many_days select d, 'place', k, 1000, 10 from generate_series(timestamptz '2026-01-01', '2026-01-05', '1 day') d,
      generate_series(1, 20000) k`;
    await sql`insert into many_hours select key_id, day_start, dimension, h, h from many_days
      cross join (select array_agg(n * 1000::bigint) as h from generate_series(1, 25) n) x`;
    const [row] = await sql<Record<string, number>[]>`
      select (select sum(pg_total_relation_size(inhrelid))::float8 from pg_inherits where inhparent = 'aggregated_web_traffic'::regclass) as table_bytes,
             (select count(*)::float8 from aggregated_web_traffic) as table_rows,
             (select avg(octet_length(host) + octet_length(referrer) + octet_length(country_code) + octet_length(region) + octet_length(city))::float8
               from aggregated_web_traffic) as text_bytes,
             pg_total_relation_size('web_traffic_hour')::float8 as hour_bytes, (select count(*)::float8 from web_traffic_hour) as hour_rows,
             (pg_total_relation_size('many_days') + pg_total_relation_size('many_hours'))::float8 as day_bytes,
             (select count(*)::float8 from many_days) as day_rows,
             pg_total_relation_size('web_traffic_key')::float8 as key_bytes, (select count(*)::float8 from web_traffic_key) as key_rows,
             pg_total_relation_size('commit_history')::float8 as history_bytes, (select count(*)::float8 from commit_history) as history_rows,
             pg_total_relation_size('web_traffic_window')::float8 as window_bytes, (select count(*)::float8 from web_traffic_window) as window_rows`;
    return row!;
  } finally {
    await sql.end();
  }
}

/** Slope and intercept of `y` over `x` by least squares. */
function line(x: readonly number[], y: readonly number[]): { slope: number; intercept: number } {
  const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const mx = mean(x), my = mean(y);
  const slope = x.reduce((sum, v, i) => sum + (v - mx) * (y[i]! - my), 0) /
    x.reduce((sum, v) => sum + (v - mx) ** 2, 0);
  return { slope, intercept: my - slope * mx };
}

/** Live traffic for some seconds, after what a first start writes: small commits, whose own cost shows, and the memory of an idle service. */
async function live(server: TestPostgres, seconds: number) {
  const url = await server.createDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const folder = await Deno.makeTempDir();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "src/main.ts", "run", "--no-http"],
    cwd: REPOSITORY,
    env: {
      POSTGRES_URL: url,
      DATA_DIR: folder,
      SOURCE: "demo",
      DEMO_RATE: String(RATE),
      DEMO_HISTORY_DAYS: "0",
      START_AT: "latest",
      COMMIT_INTERVAL: "100ms",
      LOG_LEVEL: "error",
    },
    stdin: "null",
  }).spawn();
  try {
    const look = async () =>
      (await sql<{ lsn: string; commits: number; keys: number }[]>`
        select pg_current_wal_insert_lsn()::text as lsn, count(*)::float8 as commits, coalesce(sum(keys), 0)::float8 as keys from commit_history`)[
        0
      ]!;
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    const before = await look();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    const after = await look();
    const [wal] = await sql<{ bytes: number }[]>`
      select pg_wal_lsn_diff(${after.lsn}::pg_lsn, ${before.lsn}::pg_lsn)::float8 as bytes`;
    const status = await Deno.readTextFile(`/proc/${child.pid}/status`);
    return {
      commits: after.commits - before.commits,
      keys: after.keys - before.keys,
      walBytes: wal!.bytes,
      memoryMiB: Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024,
    };
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await sql.end();
    await Deno.remove(folder, { recursive: true });
  }
}

const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
const round = (value: number, digits = 1) => Number(value.toFixed(digits));

await using server = await startPostgres({ settings: { max_wal_size: "4GB", checkpoint_timeout: "30min" } });
const runs: Run[] = [];
let lastUrl = "";
for (const keys of KEYS_PER_COMMIT) {
  const { run, url } = await count(server, keys);
  runs.push(run);
  lastUrl = url;
  say(JSON.stringify(run));
}
const walLine = line(runs.map((r) => r.dirtyKeys), runs.map((r) => r.walBytes));
const { rows } = runs[0]!;
const small = await live(server, 15);
const s = await sizes(lastUrl);
say(JSON.stringify(
  {
    server: (await serverVersion(lastUrl)).split(" ").slice(0, 2).join(" "),
    eventsPerRow: round(runs[0]!.events / rows, 2),
    textBytes: round(s.text_bytes!),
    rowBytesBesideText: round(s.table_bytes! / s.table_rows! - s.text_bytes!),
    walBytesPerRowBesideText: round(walLine.intercept / rows - s.text_bytes!),
    walBytesPerDirtyKey: round(walLine.slope),
    walBytesPerCommit: round((small.walBytes - small.keys * walLine.slope) / small.commits, 0),
    postgresCpuMicrosPerDirtyKey: round(1e6 * Math.max(...runs.map((r) => r.postgresCpuSeconds / r.dirtyKeys)), 2),
    hourRowBytes: round(s.hour_bytes! / s.hour_rows!),
    dayRowBytes: round(s.day_bytes! / s.day_rows!),
    dictionaryRowBytes: round(s.key_bytes! / s.key_rows!),
    checkpointRowBytes: round(s.history_bytes! / s.history_rows!),
    windowRowBytes: round(s.window_bytes! / s.window_rows!),
    liveMemoryMiB: round(small.memoryMiB, 0),
    catchUpMemoryMiB: round(Math.max(...runs.map((r) => r.serviceMemoryMiB)), 0),
    live: small,
  },
  null,
  2,
));

async function serverVersion(url: string): Promise<string> {
  const sql = postgres(url, { max: 1 });
  const [row] = await sql<{ version: string }[]>`select version()`;
  await sql.end();
  return row!.version;
}
