// Faults of civil time: a process whose clock passes a change of daylight saving, and reports over the days of 23 and 25 hours. Shell.
import type { Entry, Outcome, Servers } from "./entry.ts";
import { judged } from "./entry.ts";
import { FakeClock } from "./fake_clock.ts";
import { type GeneratedRecord, randomStream } from "./generator.ts";
import { PatientSender, pause } from "./load.ts";
import { World } from "./world.ts";

const ZONE = "Europe/Berlin";
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const PARTITIONS = 4;
/** Events per minute of event time, and per second while the clock passes the change. */
const A_MINUTE = 100;
const A_SECOND = 500;

/** A change of daylight saving in {@link ZONE}: the last Sunday of March or October, 01:00 UTC. */
interface Change {
  readonly at: number;
  readonly before: string;
  readonly after: string;
  /** Start and end of the local day that holds it. */
  readonly start: number;
  readonly end: number;
}

/** The last change in `month` (0 = January) whose day and the day after are over. */
function lastChange(month: 2 | 9): Change {
  for (let year = new Date().getUTCFullYear();; year--) {
    const last = new Date(Date.UTC(year, month + 1, 0, 1));
    const at = last.getTime() - last.getUTCDay() * DAY;
    if (at + 2 * DAY > Date.now()) continue;
    return month === 2
      ? { at, before: "+01:00", after: "+02:00", start: at - 2 * HOUR, end: at + 21 * HOUR }
      : { at, before: "+02:00", after: "+01:00", start: at - 3 * HOUR, end: at + 22 * HOUR };
  }
}

/** Writes an instant as a server in {@link ZONE} does: mostly with its offset, else in UTC without any. */
function written(time: number, change: Change, choice: number): string {
  if (choice < 0.3) return new Date(time).toISOString().slice(0, -1);
  const offset = time < change.at ? change.before : change.after;
  return `${new Date(time + Number(offset.slice(1, 3)) * HOUR).toISOString().slice(0, -1)}${offset}`;
}

function recordsOf(
  change: Change,
  random: () => number,
  count: number,
  timeOf: (n: number) => number,
): GeneratedRecord[] {
  const utf8 = new TextEncoder();
  const addresses = ["8.8.8.8", "193.0.6.139", "203.178.141.194", "10.1.2.3"];
  return Array.from({ length: count }, (_, n) => {
    const recordTime = Math.floor(timeOf(n));
    const time = recordTime - Math.floor(random() ** 3 * 90_000);
    const text = `{"event_time":"${written(time, change, random())}","host":"h${Math.floor(random() * 5)}.test",` +
      `"ip":"${addresses[Math.floor(random() * addresses.length)]}"}`;
    return { partition: Math.floor(random() * PARTITIONS), recordTime, value: utf8.encode(text) };
  });
}

/** The day of the change as it went: a backlog to half a minute before it, traffic of that very moment across it, then the rest at once. */
async function across(servers: Servers, change: Change, database: string): Promise<Outcome> {
  const random = randomStream(change.at);
  await using clock = await FakeClock.create(change.at - 30_000 - Date.now());
  await using world = await World.create({
    broker: servers.broker,
    database,
    env: { ...clock.env, TZ: ZONE },
    partitions: PARTITIONS,
  });
  const sender = new PatientSender(servers.broker, world.topic);
  const differences: string[] = [];
  try {
    const send = async (from: number, to: number) => {
      const count = Math.floor((to - from) / 60_000 * A_MINUTE);
      for (let n = 0; n < count; n += 5_000) {
        const some = Math.min(5_000, count - n);
        await sender.send(recordsOf(change, random, some, (i) => from + (n + i) / count * (to - from)));
      }
    };
    // From the day before, so that its sum has neighbours.
    await send(change.start - 3 * HOUR, change.at - 40_000);
    const instance = world.instance("instance");
    instance.start();
    await instance.waitForLine("partitions assigned", 60_000);
    await world.caughtUp();
    await clock.set(change.at - 10_000 - Date.now());
    const began = await instance.now();
    const offset = began - Date.now();
    for (const until = performance.now() + 30_000; performance.now() < until;) {
      await sender.send(recordsOf(change, random, A_SECOND / 2, () => Date.now() + offset));
      await pause(500);
    }
    const ended = await instance.now();
    if (began >= change.at || ended <= change.at) differences.push("the clock did not pass the change");
    await world.caughtUp();
    await clock.set(change.end + 3 * HOUR - Date.now());
    await send(ended, change.end + 2 * HOUR);
    await world.caughtUp();
    const outcome = await judged(world);
    differences.push(...outcome.differences, ...await reportDifferences(world, change));
    const [row] = await world.sql`select sum(dead)::int as dead from stream_partition`;
    if (row!.dead > 0) differences.push(`${row!.dead} events became dead letters`);
    return { ...outcome, differences };
  } finally {
    sender.close();
  }
}

/** Compares `contribution_report` over the local day, its neighbours included, with sums over its hours in UTC. */
async function reportDifferences(world: World, { start, end }: Change): Promise<string[]> {
  const day = new Date(start + 12 * HOUR).toISOString().slice(0, 10);
  const time = (ms: number) => new Date(ms).toISOString();
  const rows = await world.sql`
    with reported as (
      select country_code, num_hits, total_hits, total_previous_day from contribution_report(${day}, ${day}, ${ZONE}, p_place => 'country')),
    summed as (
      select country_code, sum(num_hits) filter (where window_start >= ${time(start)}) as num_hits
      from aggregated_web_traffic where window_start < ${time(end)} group by 1),
    totals as (
      select sum(num_hits) filter (where window_start >= ${
    time(start)
  }) as day, sum(num_hits) filter (where window_start < ${time(start)}) as previous
      from aggregated_web_traffic where window_start < ${time(end)})
    select country_code, r.num_hits::text as reported, s.num_hits::text as summed, r.total_hits::text, r.total_previous_day::text,
           t.day::text, t.previous::text
    from reported r full outer join summed s using (country_code) cross join totals t
    where (r.num_hits, r.total_hits, r.total_previous_day) is distinct from (s.num_hits, t.day, t.previous)`;
  const [seen] = await world.sql`
    select count(distinct date_trunc('hour', window_start))::int as hours from aggregated_web_traffic
    where window_start >= ${time(start)} and window_start < ${time(end)}`;
  const found = rows.map((row) => `report of ${day}: ${JSON.stringify(row)}`);
  if (seen!.hours !== (end - start) / HOUR) found.push(`${day} has ${seen!.hours} hours with rows`);
  return found;
}

export const TIME_ENTRIES: readonly Entry[] = [
  {
    name: "dst",
    done:
      "TZ=Europe/Berlin, clocks that pass both changes of summer time (faketime), event times with its offset or none",
    // The sessions of the database have another zone than those of the program, which sets its own.
    postgresSettings: { timezone: ZONE },
    async run(servers) {
      const spring = await across(servers, lastChange(2), servers.postgres.url);
      const autumn = await across(servers, lastChange(9), await servers.postgres.createDatabase());
      return {
        events: spring.events + autumn.events,
        commits: spring.commits + autumn.commits,
        fenced: spring.fenced + autumn.fenced,
        kills: 0,
        differences: [...spring.differences, ...autumn.differences],
        result: "equal to the oracle",
        note: "reports of 23 and of 25 hours equal the sums in UTC",
      };
    },
  },
];
