// What can be done to a database under load: cut at the commit statement, closed, put back to an older copy. Shell.
import postgres from "postgres";
import { pause } from "./load.ts";
import { until } from "../support/wait.ts";
import type { World } from "./world.ts";

/** Runs statements as superuser on the server's own database, where they do not meet the one under test. */
export async function onServer(url: string, work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
  const admin = new URL(url);
  admin.pathname = "/postgres";
  const sql = postgres(admin.href, { max: 1, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 2 });
  }
}

/** Name of the database in its URL. */
export const nameOf = (url: string) => new URL(url).pathname.slice(1);

/** Ends every session of the database and keeps it closed while `work` runs. */
async function whileClosed(url: string, work: (sql: postgres.Sql, name: string) => Promise<void>): Promise<void> {
  const name = nameOf(url);
  await onServer(url, async (sql) => {
    await sql.unsafe(`alter database ${name} with allow_connections false`);
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    await work(sql, name);
    await sql.unsafe(`alter database ${name} with allow_connections true`);
  });
}

/** Puts the database back to what it was before `meanwhile`. */
export async function restoreOlder(url: string, meanwhile: () => Promise<void>): Promise<void> {
  await whileClosed(url, async (sql, name) => void await sql.unsafe(`create database ${name}_copy template ${name}`));
  await meanwhile();
  await whileClosed(url, async (sql, name) => {
    await sql.unsafe(`drop database ${name}`);
    await sql.unsafe(`alter database ${name}_copy rename to ${name}`);
  });
}

/** Waits until something is committed beyond what is stored now: the load must flow. */
export async function goesOn(world: World): Promise<void> {
  const position = await world.position();
  await until(
    () => `a commit beyond ${position}\n${world.logTail()}`,
    () => world.position().then((now) => now > position, () => false),
    { limitMs: 120_000, everyMs: 100 },
  );
}

/** What only the parameters of a commit hold: their message follows that of the statement's text. */
export const COMMIT_MARK = "old_commit_id";

/** Cuts the connection of a commit `times` times at the place that the rule names. */
export async function cutCommits(
  world: World,
  rule: Parameters<World["postgresProxy"]["cutOn"]>[0],
  times: number,
): Promise<void> {
  for (let i = 0; i < times; i++) {
    const hit = world.postgresProxy.cutOn(rule);
    world.postgresProxy.cut();
    const limit = pause(30_000).then(() => Promise.reject(new Error(`Nothing matched ${rule.pattern}`)));
    await Promise.race([hit, limit]);
    limit.catch(() => {/* it lost the race */});
    await goesOn(world);
  }
}
