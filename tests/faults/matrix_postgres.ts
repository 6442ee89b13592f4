// Faults of the database: restarts, silence, cut connections, a full disk, locks, an older backup. Shell.
import { pause } from "./load.ts";
import type { Entry, Servers } from "./entry.ts";
import { Standby } from "./postgres_standby.ts";
import { underLoad } from "./under_load.ts";
import { COMMIT_MARK, cutCommits, nameOf, onServer, restoreOlder } from "./postgres_faults.ts";

async function restarts({ postgres }: Servers, mode: "fast" | "immediate") {
  for (let i = 0; i < 6; i++) {
    await pause(4_000);
    await postgres.restart(mode);
  }
}

export const POSTGRES_ENTRIES: readonly Entry[] = [
  {
    name: "postgres-restart-fast",
    done: "fast restart (sessions are ended) six times under load",
    run: (servers) => underLoad(servers, { events: 200_000, rate: 6_000 }, () => restarts(servers, "fast")),
  },
  {
    name: "postgres-restart-immediate",
    done: "immediate restart (crash recovery) six times under load",
    run: (servers) => underLoad(servers, { events: 200_000, rate: 6_000 }, () => restarts(servers, "immediate")),
  },
  {
    name: "postgres-frozen",
    done: "SIGSTOP of the server and all its backends for 60 s",
    run: (servers) =>
      underLoad(servers, { events: 300_000, rate: 4_000 }, async () => {
        await pause(2_000);
        await servers.postgres.pause();
        await pause(60_000);
        await servers.postgres.resume();
      }),
  },
  {
    name: "postgres-terminate",
    done: "pg_terminate_backend of every session of Tidemark each 300 ms for 30 s",
    run: (servers) =>
      underLoad(servers, { events: 200_000, rate: 5_000 }, async (world) => {
        for (let i = 0; i < 100; i++) {
          await world
            .sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'tidemark%'`;
          await pause(300);
        }
      }),
  },
  {
    name: "postgres-cut-before",
    done: "connection cut before the commit statement arrives, 15 times",
    run: (servers) =>
      underLoad(
        servers,
        { events: 250_000, rate: 6_000, proxiedDatabase: true },
        (world) => cutCommits(world, { from: "client", pattern: COMMIT_MARK, when: "before" }, 15),
      ),
  },
  {
    name: "postgres-cut-during",
    done: "connection cut in the middle of the commit statement, 15 times",
    run: (servers) =>
      underLoad(
        servers,
        { events: 250_000, rate: 6_000, proxiedDatabase: true },
        (world) => cutCommits(world, { from: "client", pattern: COMMIT_MARK, when: "after" }, 15),
      ),
  },
  {
    name: "postgres-cut-after",
    done: "connection cut after the commit, before its answer arrives, 40 times",
    run: (servers) =>
      underLoad(
        servers,
        { events: 300_000, rate: 6_000, proxiedDatabase: true },
        (world) => cutCommits(world, { from: "server", pattern: "SELECT 1\0", when: "before" }, 40),
      ),
  },
  {
    name: "postgres-lock",
    done: "an exclusive lock on all tables held for 25 s (COMMIT_TIMEOUT 15 s)",
    run: (servers) =>
      underLoad(servers, { events: 200_000, rate: 5_000 }, async (world) => {
        await world.sql.begin(async (sql) => {
          await sql`lock table stream, stream_partition, open_delta, aggregated_web_traffic, web_traffic_window in access exclusive mode`;
          await pause(25_000);
        });
      }),
  },
  {
    name: "postgres-disk-full",
    done: "tables on a tmpfs that fills up, refused commits for 20 s, then room again",
    async run(servers) {
      const folder = await Deno.makeTempDir({ prefix: "tidemark-small-disk-" });
      await run("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]);
      try {
        await run("chmod", ["777", folder]);
        await Deno.mkdir(`${folder}/space`);
        await run("chown", ["postgres", `${folder}/space`]).catch(() => run("chown", ["nobody", `${folder}/space`]));
        await onServer(servers.postgres.url, async (sql) => {
          await sql.unsafe(`create tablespace small location '${folder}/space'`);
          await sql.unsafe(`alter database ${nameOf(servers.postgres.url)} set tablespace small`);
        });
        let refused = 0;
        const outcome = await underLoad(servers, {
          events: 400_000,
          rate: 10_000,
          note: () => `${refused} refusals logged`,
        }, async (world, [instance]) => {
          await instance!.waitForLine("No space left on device", 120_000);
          await pause(20_000);
          refused = instance!.lines().filter((line) => line.includes("No space left")).length;
          await run("mount", ["-o", "remount,size=1g", folder]);
          await world.position();
        });
        await servers.postgres.stop();
        return outcome;
      } finally {
        await run("umount", [folder]);
        await Deno.remove(folder, { recursive: true });
      }
    },
  },
  {
    name: "postgres-failover",
    done:
      "a streaming standby that missed the last 5 s of commits takes over from a killed primary, two instances running",
    async run(servers) {
      const { port } = servers.postgres;
      await using standby = await Standby.follow(port);
      let missed = 0;
      return await underLoad(servers, {
        events: 200_000,
        rate: 6_000,
        instances: 2,
        note: () => `${missed} offsets had been committed and were forgotten`,
      }, async (world) => {
        await pause(8_000);
        await standby.stopFollowing();
        await pause(5_000);
        const before = await world.position();
        await servers.postgres.kill();
        await standby.takeOver();
        missed = before - await world.position();
        if (missed <= 0) throw new Error("The standby missed nothing");
      });
    },
  },
  {
    name: "postgres-older-backup",
    done: "under load the database is put back to a copy that is 10 s older, while two instances run; twice",
    run: (servers) =>
      underLoad(servers, { events: 300_000, rate: 5_000, instances: 2 }, async () => {
        for (let i = 0; i < 2; i++) {
          await pause(5_000);
          await restoreOlder(servers.postgres.url, () => pause(10_000));
        }
      }),
  },
];

async function run(command: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args: [...args], stdout: "null" }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
