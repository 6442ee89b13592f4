// The common shape of a matrix entry: instances run, load flows, something happens, everything is compared. Shell.
import type { Instance } from "./instance.ts";
import { planOf } from "./kill_run.ts";
import { judged, type Outcome, type Servers } from "./entry.ts";
import { World } from "./world.ts";

export interface LoadedOptions {
  readonly events: number;
  /** Records per second; load goes on until the fault is over. */
  readonly rate: number;
  readonly instances?: number;
  readonly partitions?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Instances reach PostgreSQL through `world.postgresProxy`. */
  readonly proxiedDatabase?: boolean;
  /** `host:port` by which instances reach the broker. */
  readonly kafkaUrl?: string;
  readonly topicConfig?: Readonly<Record<string, string>>;
  readonly database?: string;
  readonly seed?: number;
  readonly note?: (world: World) => string;
}

/** Runs `fault` once the instances have joined, while the load flows; then lets the stream catch up and judges it. */
export async function underLoad(
  { broker, postgres }: Servers,
  options: LoadedOptions,
  fault: (world: World, instances: readonly Instance[]) => Promise<void>,
): Promise<Outcome> {
  await using world = await World.create({
    broker,
    database: options.database ?? postgres.url,
    ...(options.partitions !== undefined && { partitions: options.partitions }),
    ...(options.env && { env: options.env }),
    ...(options.topicConfig && { topicConfig: options.topicConfig }),
  });
  const env = {
    ...(options.proxiedDatabase && { POSTGRES_URL: world.proxiedDatabase }),
    ...(options.kafkaUrl !== undefined && { KAFKA_URL: options.kafkaUrl }),
  };
  const instances = Array.from({ length: options.instances ?? 1 }, (_, i) => world.instance(`instance-${i + 1}`, env));
  let over = false;
  const plan = planOf(options.seed ?? 1, options.events, options.partitions ?? 4);
  const sending = world.sendUntil(plan, { rate: options.rate }, () => over);
  sending.catch(() => {/* awaited below */});
  for (const instance of instances) instance.start();
  await Promise.all(instances.map((instance) => instance.waitForLine("partitions assigned", 60_000)));
  try {
    await fault(world, instances);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${world.logTail()}`, { cause: error });
  }
  over = true;
  await sending;
  await world.caughtUp();
  return await judged(world, options.note?.(world));
}
