// The faults of a soak run: each is done and undone within seconds, and a seed decides which and when. Shell.
import type { TestBroker } from "../support/kafka_broker.ts";
import type { TestPostgres } from "../support/postgres.ts";
import type { TcpProxy } from "../support/tcp_proxy.ts";
import type { Instance } from "./instance.ts";
import { pause } from "./load.ts";
import { COMMIT_MARK, cutCommits } from "./postgres_faults.ts";
import type { World } from "./world.ts";

/** What a fault may touch. The witness is never ended: it may only be frozen, and cut off from its servers. */
export interface Scene {
  readonly world: World;
  readonly broker: TestBroker;
  readonly postgres: TestPostgres;
  readonly brokerProxy: TcpProxy;
  readonly witness: Instance;
  readonly second: Instance;
  readonly third: Instance;
  /** Numbers in [0, 1) from the seed. */
  readonly random: () => number;
}

/** A SIGTERM that ends otherwise than with exit code 0. The run goes on, and fails at its end. */
export class BadExit extends Error {}

/** Longer than the group's session timeout of 6 s, so that the frozen instance's partitions are given away. */
const FREEZE_MS: readonly [number, number] = [7_500, 12_000];
const ASSIGNED_MS_MAX = 90_000;

const between = ({ random }: Scene, [least, most]: readonly [number, number]) =>
  pause(least + random() * (most - least));

async function restartBroker({ broker }: Scene, down: Promise<void>): Promise<void> {
  await broker.kill();
  await down;
  await broker.restart();
}

async function frozen(scene: Scene, instance: Instance): Promise<void> {
  instance.signal("SIGSTOP");
  try {
    await between(scene, FREEZE_MS);
  } finally {
    instance.signal("SIGCONT");
  }
}

async function swallowed(scene: Scene, proxy: TcpProxy): Promise<void> {
  proxy.pause();
  try {
    await between(scene, [4_000, 12_000]);
  } finally {
    proxy.resume();
  }
}

async function stopped(instance: Instance): Promise<void> {
  const exit = await instance.stop();
  if (exit.code !== 0) {
    throw new BadExit(`${instance.name}: SIGTERM ended with ${exit.code}\n${exit.stderr.slice(-2000)}`);
  }
}

/** By name: what is done. Each leaves the witness and the second instance running, and every server up. */
export const SOAK_FAULTS: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  async "kill -9 of the second instance"(scene) {
    await scene.second.kill();
    await between(scene, [0, 8_000]);
    scene.second.start();
  },
  async "SIGTERM of the second instance"(scene) {
    // Before that the program has not yet said that it wants to hear of signals.
    await scene.second.waitForLine("listening", ASSIGNED_MS_MAX);
    try {
      await stopped(scene.second);
    } finally {
      scene.second.start();
    }
  },
  "SIGSTOP of the second instance": (scene) => frozen(scene, scene.second),
  "SIGSTOP of the witness": (scene) => frozen(scene, scene.witness),
  async "a third instance joins and leaves"(scene) {
    scene.third.start();
    await scene.third.waitForLine("partitions assigned", ASSIGNED_MS_MAX);
    await between(scene, [2_000, 10_000]);
    if (scene.random() < 0.5) await scene.third.kill();
    else await stopped(scene.third);
  },
  "PostgreSQL restarted at once": ({ postgres }) => postgres.restart("immediate"),
  "PostgreSQL restarted fast": ({ postgres }) => postgres.restart("fast"),
  async "all sessions terminated"({ world }) {
    for (let i = 0; i < 10; i++) {
      await world.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'tidemark%'`;
      await pause(300);
    }
  },
  "cut before a commit": ({ world }) => cutCommits(world, { from: "client", pattern: COMMIT_MARK, when: "before" }, 2),
  "cut during a commit": ({ world }) => cutCommits(world, { from: "client", pattern: COMMIT_MARK, when: "after" }, 2),
  "cut after a commit": ({ world }) => cutCommits(world, { from: "server", pattern: "SELECT 1\0", when: "before" }, 2),
  async "tables locked"(scene) {
    await scene.world.sql.begin(async (sql) => {
      await sql`lock table stream, stream_partition, open_delta, aggregated_web_traffic, web_traffic_window in access exclusive mode`;
      await between(scene, [3_000, 18_000]);
    });
  },
  "network to PostgreSQL half open": (scene) => swallowed(scene, scene.world.postgresProxy),
  "broker killed": (scene) => restartBroker(scene, between(scene, [0, 6_000])),
  async "broker slow"(scene) {
    try {
      for (let i = 0; i < 20; i++) {
        scene.brokerProxy.delay(100 + scene.random() * 300);
        await pause(500);
      }
    } finally {
      scene.brokerProxy.delay(0);
    }
  },
  async "connections to the broker cut"({ brokerProxy }) {
    for (let i = 0; i < 5; i++) {
      brokerProxy.cut();
      await pause(1_000);
    }
  },
  "network to the broker half open": (scene) => swallowed(scene, scene.brokerProxy),
};

/** Names of faults without end: each once in an order that the seed decides, then each once again. */
export function* faultDeck(random: () => number): Generator<string, never> {
  for (;;) {
    const names = Object.keys(SOAK_FAULTS);
    for (let i = names.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [names[i], names[j]] = [names[j]!, names[i]!];
    }
    yield* names;
  }
}
