// `deno task faults soak`: a steady load and a mixture of faults for as long as one likes, while one instance lives through all of it;
// then everything is compared with the oracle, and memory, descriptors and tables are judged for what must not grow. Shell.
import { startPostgres } from "../support/postgres.ts";
import { randomStream } from "./generator.ts";
import { TASK_FLAGS } from "./instance.ts";
import { pause } from "./load.ts";
import { behindProxy } from "./matrix_broker.ts";
import { BadExit, faultDeck, type Scene, SOAK_FAULTS } from "./soak_faults.ts";
import { reportOf, type SoakResult } from "./soak_report.ts";
import { excesses, Watch } from "./soak_watch.ts";
import { replaceSection } from "./record.ts";
import { World } from "./world.ts";

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  /** Events per second. */
  readonly rate?: number;
  readonly record: boolean;
  readonly say: (line: string) => void;
}

const RATE = 2_000;
const PARTITIONS = 6;
const MINUTE = 60_000;
const WARM_UP_MS = 10 * MINUTE;
/** Time between the starts of two faults. */
const FAULT_EVERY_MS: readonly [number, number] = [15_000, 40_000];
const CATCH_UP_MS_MAX = 15 * MINUTE;
/** Share of faults that may fail to be done (a commit that could not be met in time, say) before the run says nothing. */
const NOT_DONE_MAX = 0.1;

/** Runs it. Returns whether the counts are right and nothing grew that must not. */
export async function soak(options: SoakOptions): Promise<boolean> {
  await using postgres = await startPostgres({ faults: true });
  const result = await behindProxy({ postgres }, async ({ broker }, brokerProxy) => {
    await using world = await World.create({
      broker,
      database: postgres.url,
      partitions: PARTITIONS,
      // A killed broker reads its last segments again when it starts.
      topicConfig: { "segment.bytes": "67108864" },
    });
    const env = { KAFKA_URL: brokerProxy.url, POSTGRES_URL: world.proxiedDatabase, ...TASK_FLAGS };
    const [witness, second, third] = ["witness", "second", "third"].map((name) => world.instance(name, env)) as [
      Scene["witness"],
      Scene["second"],
      Scene["third"],
    ];
    const scene = { world, broker, postgres, brokerProxy, witness, second, third, random: randomStream(options.seed) };
    return await run(options, scene);
  });
  const report = reportOf(result);
  options.say(report);
  if (options.record) await replaceSection("<!-- soak -->", "<!-- /soak -->", report);
  return result.faults.length === 0;
}

async function run({ minutes, seed, rate = RATE, say }: SoakOptions, scene: Scene): Promise<SoakResult> {
  const { world, witness, second, third } = scene;
  const events = Math.round(rate * minutes * 60);
  // Event time runs three times as fast as the clock, and ends before now.
  const spanMs = 3 * minutes * MINUTE;
  const plan = { seed, events, partitions: PARTITIONS, startMs: Date.now() - spanMs - MINUTE, spanMs };
  const faults: string[] = [];
  const done = new Map<string, number>();
  const notDone: string[] = [];
  const startedAt = performance.now();
  let sent = false;
  const sending = world.send(plan, { rate }).finally(() => sent = true);
  witness.start();
  second.start();
  await Promise.all([witness, second].map((one) => one.waitForLine("partitions assigned", MINUTE)));
  await using watch = new Watch(world.database, witness.pid);
  const deck = faultDeck(scene.random);
  while (!sent) {
    const due = performance.now() + FAULT_EVERY_MS[0] + scene.random() * (FAULT_EVERY_MS[1] - FAULT_EVERY_MS[0]);
    const name = deck.next().value;
    say(`${clock(performance.now() - startedAt)} ${name}; ${await positionNow(world)} of ${events}`);
    try {
      await SOAK_FAULTS[name]!(scene);
      done.set(name, (done.get(name) ?? 0) + 1);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (error instanceof BadExit) faults.push(why);
      else notDone.push(`${name}: ${why.slice(0, 300)}`);
      say(`  ${why}`);
    }
    if (third.running && !third.died) await third.kill();
    for (const one of [second, third]) {
      if (!one.died) continue;
      const { code, stderr } = await one.ended();
      faults.push(`${one.name} ended by itself with ${code}: ${stderr.slice(-2000)}`);
    }
    if (witness.died) throw new Error(`The witness ended by itself:\n${world.logTail(40)}`);
    if (!second.running) second.start();
    while (!sent && performance.now() < due) await pause(200);
  }
  await sending;
  const ready = performance.now();
  await world.caughtUp(CATCH_UP_MS_MAX);
  say(`caught up ${Math.round((performance.now() - ready) / 1000)} s after the last record was sent`);
  await pause(5_000);
  await watch.stop();
  const measuredMs = watch.elapsed;
  const warmUpMs = Math.min(WARM_UP_MS, measuredMs / 3);
  const { kills, fenced } = world;
  say("comparing with the oracle …");
  const comparison = await world.judge();
  const rows = await watch.rows();
  const series = watch.series(warmUpMs);
  faults.push(...comparison.differences, ...excesses(series, rows, measuredMs - warmUpMs));
  const asked = notDone.length + [...done.values()].reduce((sum, n) => sum + n, 0);
  if (notDone.length > NOT_DONE_MAX * asked) faults.push(`${notDone.length} of ${asked} faults could not be done`);
  return {
    minutes: (performance.now() - startedAt) / MINUTE,
    loadMinutes: minutes,
    seed,
    rate,
    comparison,
    done,
    notDone,
    kills,
    fenced,
    measuredMs,
    warmUpMs,
    series,
    rows,
    deadRows: watch.deadRows(warmUpMs),
    faults,
  };
}

const clock = (ms: number) =>
  `${String(Math.floor(ms / MINUTE)).padStart(2, "0")}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;

/** The position for the terminal; the database may be away just now. */
const positionNow = (world: World) => world.position().catch(() => "?");
