// `deno task faults …`: long suites against real servers, run by hand. Writes to the terminal; `--record` also writes docs/reliability.md.
import { startBroker } from "../support/kafka_broker.ts";
import { KAFKA_VERSIONS } from "../support/kafka_jars.ts";
import { startPostgres } from "../support/postgres.ts";
import { type AccessLogResult, countAccessLog, throughFile, throughKafka } from "./access_log.ts";
import { logrotateRun } from "./logrotate.ts";
import { killRun } from "./kill_run.ts";
import { ENTRIES, runMatrix } from "./matrix.ts";
import { measureRecovery } from "./recovery.ts";
import { networkRun } from "./network_run.ts";
import { soak } from "./soak.ts";

const USAGE =
  `deno task faults access-log FILE      one access log through two brokers and from the file, against a count of its lines
deno task faults kill [events] [kills] [seed]  kill -9 under load (default 2000000 events, 25 kills)
deno task faults recovery [kills]     time from exec to the first commit after kill -9 (default 20 each way)
deno task faults soak [--record] [minutes] [seed]  steady load and mixed faults around one instance that lives through all (default 60 minutes)
deno task faults network [--record] [events] [seconds] [cuts] [seed]  every way between seven machines cut (default 1000000 events, 20 s a cut, all); needs root, iproute2 and util-linux
deno task faults logrotate [seeds] [from]  the file source on this disk under logrotate (default 200 seeds); needs logrotate and root
deno task faults list                 names of the fault matrix
deno task faults [--record] NAME…     entries of the matrix; "all" for every one; --record writes docs/reliability.md`;

const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

async function accessLog(path: string): Promise<boolean> {
  await using database = await startPostgres({ faults: true });
  const { lines, bad, table, late } = countAccessLog(await Deno.readTextFile(path));
  const sum = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((total, hits) => total + hits, 0);
  say(
    `${path}: ${lines} lines (${bad} in no known format); counted in log order: ${sum(table)} in ${table.size} rows, ${
      sum(late)
    } late`,
  );
  let equal = true;
  const show = ({ title, seconds, rows, hits, lateHits, differences }: AccessLogResult) => {
    equal &&= differences.length === 0;
    const verdict = differences.length === 0 ? "equal, ledger balanced" : differences.join("\n    ");
    say(`  ${title}: ${hits} hits in ${rows} rows, ${lateHits} late, ${seconds.toFixed(1)} s: ${verdict}`);
  };
  show(await throughFile(path, await database.createDatabase()));
  for (const version of KAFKA_VERSIONS) {
    await using broker = await startBroker({ version });
    show(await throughKafka(path, broker, await database.createDatabase(), 1));
    show(await throughKafka(path, broker, await database.createDatabase(), 4));
  }
  return equal;
}

async function kill(events: number, kills: number, seed: number): Promise<boolean> {
  await using broker = await startBroker();
  await using database = await startPostgres({ faults: true });
  say(`kill -9: ${events} events, at least ${kills} kills, seed ${seed}`);
  const result = await killRun({
    broker,
    database: database.url,
    seed,
    events,
    kills,
    freezes: 3,
    rate: Math.max(5_000, Math.round(events / kills / 4)),
    lifeMs: [500, 8_000],
  });
  const { comparison } = result;
  say(JSON.stringify({ ...result, comparison: { ...comparison, differences: comparison.differences.length } }));
  for (const difference of comparison.differences) say(`  ${difference}`);
  say(comparison.differences.length === 0 ? "equal to the oracle" : "DIFFERS from the oracle");
  return comparison.differences.length === 0;
}

async function main(args: readonly string[]): Promise<boolean> {
  const record = args.includes("--record");
  const [command, ...rest] = args.filter((arg) => arg !== "--record");
  switch (command) {
    case "access-log":
      if (rest[0] === undefined) break;
      return await accessLog(rest[0]);
    case "kill":
      return await kill(
        Number(rest[0] ?? 2_000_000),
        Number(rest[1] ?? 25),
        Number(rest[2] ?? Math.floor(Math.random() * 2 ** 31)),
      );
    case "recovery":
      return await measureRecovery(Number(rest[0] ?? 20), say);
    case "logrotate":
      return await logrotateRun(Number(rest[0] ?? 200), Number(rest[1] ?? 1), say);
    case "soak":
      return await soak({
        minutes: Number(rest[0] ?? 60),
        seed: Number(rest[1] ?? Math.floor(Math.random() * 2 ** 31)),
        record,
        say,
      });
    case "network":
      return await networkRun({
        events: Number(rest[0] ?? 1_000_000),
        seconds: Number(rest[1] ?? 20),
        cuts: Number(rest[2] ?? 1_000),
        seed: Number(rest[3] ?? Math.floor(Math.random() * 2 ** 31)),
        record,
        say,
      });
    case "list":
      for (const { name, done } of ENTRIES) say(`${name}: ${done}`);
      return true;
    case undefined:
      break;
    default:
      return await runMatrix(command === "all" ? ENTRIES.map(({ name }) => name) : [command, ...rest], { record, say });
  }
  say(USAGE);
  return false;
}

Deno.exit(await main(Deno.args) ? 0 : 1);
