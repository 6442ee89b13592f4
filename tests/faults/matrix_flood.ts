// Floods: a new referrer with every event, and a topic that holds something else. Nothing may fill memory or the database. Shell.
import { type Entry, judged, type Outcome, type Servers } from "./entry.ts";
import type { GeneratedRecord } from "./generator.ts";
import { randomStream } from "./generator.ts";
import { TASK_FLAGS } from "./instance.ts";
import { PatientSender, pause } from "./load.ts";
import { World } from "./world.ts";

const MIB = 1024 * 1024;
const PARTITIONS = 4;
const CHUNK = 4_000;
const MINUTE = 60_000;
const mib = (bytes: number) => `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;

/** Sends records `from` to `to` (exclusive), at most `rate` a second. */
async function sendAll(
  world: World,
  [from, to]: readonly [number, number],
  recordOf: (n: number) => GeneratedRecord,
  rate = Infinity,
): Promise<void> {
  const sender = new PatientSender(world.options.broker, world.topic);
  const startedAt = performance.now();
  const chunk = Math.min(CHUNK, Math.ceil(rate / 5));
  try {
    for (let n = from; n < to; n += chunk) {
      await sender.send(Array.from({ length: Math.min(chunk, to - n) }, (_, i) => recordOf(n + i)));
      await pause((n + chunk - from) / rate * 1000 - (performance.now() - startedAt));
    }
  } finally {
    sender.close();
  }
}

/** Half of them until memory is read for the first time: two deltas and the dictionaries are full by then. */
const REFERRERS = 1_600_000;
const KEYS_MAX = 20_000;
/** What a process with one engine and its defaults promises (docs/reliability.md). */
const FLOOD_MEMORY_MAX = 512 * MIB;
/** How much more the second half of the flood may take at its peak. */
const FLOOD_GROWTH_MAX = 1.2;

/** A new referrer with every event but each tenth, whose few keys must keep rows of their own. */
async function referrerFlood({ broker, postgres }: Servers): Promise<Outcome> {
  await using world = await World.create({
    broker,
    database: postgres.url,
    env: { MAX_KEYS_PER_WINDOW: String(KEYS_MAX), ...TASK_FLAGS },
    partitions: PARTITIONS,
  });
  const random = randomStream(18);
  const utf8 = new TextEncoder();
  const spanMs = 30 * MINUTE, startMs = Date.now() - spanMs - MINUTE;
  const instance = world.instance("instance");
  instance.start();
  const events = Math.ceil(REFERRERS / 0.9);
  const recordOf = (n: number): GeneratedRecord => {
    const recordTime = Math.floor(startMs + n / events * spanMs);
    const referrer = n % 10 === 0 ? `known-${n / 10 % 50}.example` : `${crypto.randomUUID()}.example/${n}`;
    const text = `{"event_time":${recordTime - Math.floor(random() * 5_000)},"host":"www${n % 3}.test",` +
      `"referrer":"https://${referrer}","ip":"8.8.8.8"}`;
    return { partition: n % PARTITIONS, recordTime, value: utf8.encode(text) };
  };
  await sendAll(world, [0, events / 2], recordOf);
  await world.caughtUp();
  const half = await instance.peakMemory();
  await sendAll(world, [events / 2, events], recordOf);
  await world.caughtUp();
  const folded = () =>
    world
      .sql`select coalesce(sum(folded_keys), 0)::int as keys, count(*) filter (where folded_keys > 0)::int as windows from web_traffic_window`;
  const differences: string[] = [];
  // The numbers of /metrics are some seconds old.
  const shown =
    async () => [await instance.metric("tidemark_keys_folded"), await instance.metric("tidemark_windows_folded")];
  for (const deadline = performance.now() + 30_000;; await pause(500)) {
    const [[row], metrics] = [await folded(), await shown()];
    if (row!.windows > 3 && metrics[0] === row!.keys && metrics[1] === row!.windows) break;
    if (performance.now() < deadline) continue;
    differences.push(`metrics say ${metrics}, the table ${JSON.stringify(row)}`);
    break;
  }
  const peak = await instance.peakMemory();
  if (peak > FLOOD_MEMORY_MAX || peak > FLOOD_GROWTH_MAX * half) {
    differences.push(`the first half took ${mib(half)}, all of it ${mib(peak)}`);
  }
  const outcome = await judged(world, undefined, { keysPerWindowMax: KEYS_MAX });
  differences.push(...outcome.differences);
  const windows = await world.sql`
    select w.window_start, w.folded_keys::int as folded, count(*)::int as rows, count(*) filter (where a.host = '(other)')::int as others,
           count(*) filter (where a.referrer like 'https://known-%')::int as known
    from web_traffic_window w join aggregated_web_traffic a using (window_start) group by 1, 2 order by 1`;
  for (const { window_start, folded, rows, others, known } of windows) {
    const full = folded > 0;
    if (rows > KEYS_MAX || full !== (others === 1) || full && (rows !== KEYS_MAX || known !== 150)) {
      differences.push(
        `window ${window_start.toISOString()}: ${rows} rows, ${others} (other), ${known} known, ${folded} folded`,
      );
    }
  }
  const [total] = await folded();
  return {
    ...outcome,
    differences,
    note: `${total!.keys} keys folded; peak ${mib(peak)}, ${mib(half)} half-way`,
  };
}

const WRONG = 500_000;
const REASONS = 3;
/** As it arrives at full speed there are few commits. The records are 60 MiB. */
const WRONG_BYTES_MAX = 4 * MIB;
/** Of a process without a city database (docs/performance.md: 182 MiB), and some room. */
const WRONG_MEMORY_MAX = 300 * MIB;
const SAMPLES_MAX = 100;
/** Then more at the pace of a live topic, where each second's commit brings ranges of its own … */
const LIVE = 90_000;
const LIVE_RATE = 3_000;
/** … of which maintenance leaves this many to a partition and reason, and one an hour. */
const RANGES_KEPT = 200;

/** Three shapes that are no events, in turns and mixed, with an event now and then. */
async function wrongTopic({ broker, postgres }: Servers): Promise<Outcome> {
  await using world = await World.create({ broker, database: postgres.url, partitions: PARTITIONS, env: TASK_FLAGS });
  const random = randomStream(19);
  const utf8 = new TextEncoder();
  const spanMs = 30 * MINUTE, startMs = Date.now() - spanMs - MINUTE;
  const recordOf = (n: number): GeneratedRecord => {
    const recordTime = Math.floor(startMs + n / (WRONG + LIVE) * spanMs);
    const shape = n % 100 === 0 ? 3 : Math.floor(random() * 3);
    const value = shape === 0
      ? utf8.encode(
        `{"order":${n},"customer":"c-${
          n % 977
        }","lines":[{"sku":"A-${n}","count":1}],"total":"12.50","at":"2026-01-01"}`,
      )
      : shape === 1
      ? Uint8Array.of(0, 0, 0, 0, 7, 0xd0, 0x9f, n & 255, n >> 8 & 255, 0xff, 0xfe, ...new Array(80).fill(0xc3))
      : shape === 2
      ? utf8.encode(`2026-01-01 00:00:00 INFO worker-${n % 8} took ${n % 100} ms for job ${n} of customer c-${n % 977}`)
      : utf8.encode(`{"event_time":${recordTime},"host":"h${n % 7}.test","ip":"8.8.8.8"}`);
    return { partition: n % PARTITIONS, recordTime, value };
  };
  const instance = world.instance("instance");
  instance.start();
  await instance.waitForLine("partitions assigned", MINUTE);
  const size = async () => {
    const [row] = await world.sql`
      select (select sum(pg_total_relation_size(oid))::float8 from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
                and relname ~ '^dead_letter|^stream|^commit_history') as bytes`;
    return row!.bytes as number;
  };
  const before = await size();
  await sendAll(world, [0, WRONG], recordOf);
  await world.caughtUp();
  const grown = await size() - before;
  const ranges = async () => {
    const [row] = await world.sql`select count(*)::int as ranges from dead_letter_range`;
    return row!.ranges as number;
  };
  await sendAll(world, [WRONG, WRONG + LIVE], recordOf, LIVE_RATE);
  await world.caughtUp();
  const live = await ranges();
  const peak = await instance.peakMemory();
  // Maintenance runs every ten minutes, and at each start.
  await instance.stop();
  instance.start();
  const most = PARTITIONS * REASONS * (RANGES_KEPT + 2);
  for (const deadline = performance.now() + 30_000; await ranges() > most && performance.now() < deadline;) {
    await pause(500);
  }
  const outcome = await judged(world);
  const differences = [...outcome.differences];
  if (peak > WRONG_MEMORY_MAX) differences.push(`it took ${mib(peak)}`);
  if (live <= most) differences.push(`the live topic brought only ${live} ranges`);
  if (await ranges() > most) differences.push(`${await ranges()} ranges are left of ${live}`);
  if (grown > WRONG_BYTES_MAX) differences.push(`the database grew by ${mib(grown)}`);
  const samples = await world.sql`
    select reason, date_trunc('hour', seen_at) as hour, count(*)::int as samples from dead_letter_sample group by 1, 2`;
  for (const { reason, samples: kept } of samples) {
    if (kept > SAMPLES_MAX) differences.push(`${kept} samples of ${reason}`);
  }
  const [row] = await world.sql`
    select (select sum(records)::int from dead_letter_count) as dead, (select sum(records)::int from dead_letter_range) as ranged,
           (select count(*)::int from dead_letter_range) as ranges`;
  if (samples.length < 3) differences.push(`samples of ${samples.length} reasons`);
  if (row!.dead !== (WRONG + LIVE) * 0.99 || row!.ranged !== row!.dead) {
    differences.push(`${row!.dead} dead letters, ${row!.ranged} in ranges`);
  }
  return {
    ...outcome,
    differences,
    note: `${row!.dead} dead: +${mib(grown)}; ${live} ranges merged to ${row!.ranges}`,
  };
}

export const FLOOD_ENTRIES: readonly Entry[] = [
  {
    name: "referrer-flood",
    done: "1,600,000 referrers, a new one with each event, MAX_KEYS_PER_WINDOW=20000",
    run: referrerFlood,
  },
  {
    name: "wrong-topic",
    done: "500,000 records of three other shapes at full speed, 1 % events; then 90,000 at 3,000 a second",
    run: wrongTopic,
  },
];
