// `deno task faults network`: brokers, services and databases on seven machines, and every way between them cut while events flow. Shell.
import { startCluster } from "../support/kafka_cluster.ts";
import type { TestBroker } from "../support/kafka_broker.ts";
import { startProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/wait.ts";
import type { Comparison } from "./compare.ts";
import { planOf } from "./kill_run.ts";
import { LeaderSender } from "./leader_sender.ts";
import { pause, topicBounds } from "./load.ts";
import { BROKERS, type Cut, DATABASES, planCuts, SERVICES } from "./network_cuts.ts";
import { HostNetwork } from "./network_hosts.ts";
import { HostPostgres } from "./network_postgres.ts";
import { replaceSection } from "./record.ts";
import { World } from "./world.ts";

export interface NetworkOptions {
  readonly events: number;
  /** How long each cut lasts, seconds. */
  readonly seconds: number;
  /** At most so many cuts. */
  readonly cuts: number;
  readonly seed: number;
  readonly record: boolean;
  readonly say: (line: string) => void;
}

/** What became of one cut. */
interface CutResult {
  readonly kind: string;
  /** Whether positions moved while it lasted. */
  readonly moved: boolean;
  /** From its end (of a failover: from its beginning) until everything that had been sent by then was committed, seconds. */
  readonly recovery: number;
}

const PARTITIONS = 6;
const RECOVERY_MS_MAX = 240_000;
/** Expected time of a recovery, to spread the events over the cuts. */
const RECOVERY_SECONDS = 15;

/** Runs it. Returns whether the counts are right. */
export async function networkRun(options: NetworkOptions): Promise<boolean> {
  const { say } = options;
  await using network = await HostNetwork.create([...BROKERS, ...SERVICES, ...DATABASES]);
  await using cluster = await startCluster({ hosts: BROKERS.map((name) => network.host(name)) });
  await using primary = await HostPostgres.primary(network.host(DATABASES[0]));
  await primary.createDatabase("traffic");
  await using standby = await HostPostgres.standby(primary, network.host(DATABASES[1]));
  await using proxy = startProxy(primary.address);
  await using world = await World.create({
    broker: asBroker(cluster.urls, cluster.version),
    database: `postgres://postgres@${proxy.url}/traffic`,
    partitions: PARTITIONS,
    replicas: BROKERS.length,
  });
  const scene = { network, world, primary, standby, proxy };
  const { results, comparison } = await play(scene, options);
  const report = reportOf(options, results, comparison);
  say(report);
  for (const difference of comparison.differences) say(`  ${difference}`);
  const equal = comparison.differences.length === 0;
  if (options.record && equal) await replaceSection("<!-- network -->", "<!-- /network -->", report);
  return equal;
}

interface Scene {
  readonly network: HostNetwork;
  readonly world: World;
  readonly primary: HostPostgres;
  readonly standby: HostPostgres;
  readonly proxy: ReturnType<typeof startProxy>;
}

async function play(scene: Scene, options: NetworkOptions) {
  const { network, world, primary, standby } = scene;
  const cuts = planCuts(options.seed, options.cuts);
  const hosts = [primary, standby].map(({ address }) => address).join(",");
  const services = SERVICES.map((name) =>
    world.instance(name, {
      POSTGRES_URL: `postgres://postgres@${hosts}/traffic?target_session_attrs=read-write&sslmode=disable`,
    })
  );
  const rate = Math.ceil(options.events / (cuts.length * (options.seconds + RECOVERY_SECONDS)));
  let over = false;
  const sending = world.sendUntil(
    planOf(options.seed, options.events, PARTITIONS),
    { rate, sender: LeaderSender },
    () => over,
  );
  sending.catch(() => {/* awaited below */});
  for (const [i, service] of services.entries()) {
    service.startThrough(`exec ${network.host(SERVICES[i]!).within.join(" ")} "$@"`);
  }
  await Promise.all(services.map((service) => service.waitForLine("partitions assigned", 120_000)));
  const results: CutResult[] = [];
  for (const [i, cut] of cuts.entries()) {
    const before = await positionOf(world);
    let from = performance.now();
    const heal = await begin(scene, cut);
    if (!("failover" in cut)) await pause(options.seconds * 1_000);
    const moved = await positionOf(world) > before;
    await heal();
    // What comes after a promotion begins with the loss of the primary.
    if (!("failover" in cut)) from = performance.now();
    await recovered(world);
    const result = { kind: cut.kind, moved, recovery: (performance.now() - from) / 1_000 };
    results.push(result);
    const where = "ways" in cut ? cut.ways.map((way) => way.join(" → ")).join(", ") : "link" in cut ? cut.link : "";
    options.say(
      `  ${i + 1}/${cuts.length} ${cut.kind} (${where}): ${moved ? "went on" : "stood"}, ${
        result.recovery.toFixed(1)
      } s`,
    );
  }
  over = true;
  await sending;
  await world.caughtUp();
  return { results, comparison: await world.judge() };
}

/** Begins the cut. Returns what ends it. */
async function begin({ network, primary, standby, proxy }: Scene, cut: Cut): Promise<() => Promise<void>> {
  if ("failover" in cut) {
    await network.link(primary.host, "down");
    await standby.promote();
    proxy.aim(standby.address);
    proxy.cut();
    // The machine is off before its link is up again: two primaries are the operator's fault to prevent.
    return async () => {
      await primary.kill();
      await network.link(primary.host, "up");
    };
  }
  if ("link" in cut) {
    const host = network.host(cut.link);
    await network.link(host, "down");
    return () => network.link(host, "up");
  }
  const ways = cut.ways.map((way) =>
    way.map((name) => network.host(name)) as [from: typeof primary.host, to: typeof primary.host]
  );
  for (const [from, to] of ways) await network.block(from, to);
  return async () => {
    for (const [from, to] of ways) await network.unblock(from, to);
  };
}

/** Total of the positions; asked again where the connection was cut by the failover. */
async function positionOf(world: World): Promise<number> {
  let position: number | undefined;
  await until("the database answers", async () => {
    position = await world.position().catch(() => undefined);
    return position !== undefined;
  });
  return position!;
}

/** Resolves once what is in the log by now is committed. @throws Error with the logs' tail after {@link RECOVERY_MS_MAX} */
async function recovered(world: World): Promise<void> {
  let ends: ReadonlyMap<number, number> | undefined;
  await until(() => `everything is committed again\n${world.logTail(30)}`, async () => {
    const dead = world.instances.find((instance) => instance.died);
    if (dead) throw new Error(`${dead.name} ended by itself:\n${world.logTail(40)}`);
    try {
      ends ??= new Map(
        (await topicBounds(world.options.broker, world.topic)).map(({ partition, high }) => [partition, high]),
      );
    } catch {
      return false; // a partition without a leader: asked again
    }
    const positions = await world.positions().catch(() => undefined);
    return positions !== undefined && [...ends].every(([partition, end]) => (positions.get(partition) ?? 0) >= end);
  }, { limitMs: RECOVERY_MS_MAX, everyMs: 200 });
}

function reportOf(
  options: NetworkOptions,
  results: readonly CutResult[],
  comparison: Comparison,
): string {
  const rows = [...Map.groupBy(results, ({ kind }) => kind)].sort(([a], [b]) => a < b ? -1 : 1).map(([kind, list]) => {
    const times = list.map(({ recovery }) => recovery).sort((a, b) => a - b);
    const moved = list.filter((result) => result.moved).length;
    const middle = times[Math.floor(times.length / 2)]!;
    return `| ${kind} | ${list.length} | ${moved} | ${middle.toFixed(1)} s | ${times.at(-1)!.toFixed(1)} s |`;
  });
  const { events, rows: tableRows, late, dead, windows, commits, differences } = comparison;
  return [
    `\`deno task faults network ${options.events} ${options.seconds} ${options.cuts} ${options.seed}\`: ${events} records, ${results.length} cuts of ` +
    `${options.seconds} s, ${commits} commits, ${tableRows} rows in ${windows} windows, ${late} late, ${dead} dead letters. ` +
    `${differences.length === 0 ? "Equal to the oracle." : "DIFFERS from the oracle."}`,
    "",
    "| what was cut | times | stream went on meanwhile | until all is committed (median) | longest |",
    "| --- | ---: | ---: | ---: | ---: |",
    ...rows,
  ].join("\n");
}

/** The cluster in the place of a broker, for what only needs an address. */
function asBroker(urls: readonly string[], version: string): TestBroker {
  const refuse = () => {
    throw new Error("The brokers of the network are not stopped, only cut off");
  };
  return {
    url: urls.join(","),
    version,
    secure: null,
    dataFolder: null,
    stop: () => Promise.resolve(),
    kill: refuse,
    pause: refuse,
    resume: refuse,
    restart: refuse,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
