// Breakdowns and visitors where something goes wrong, one scene for each: the oracle recounts dimensions and sketches at the end of every one.
import { assertEquals } from "@std/assert";
import { COUNTED_ALL } from "./plan.ts";
import { Scene } from "./scene.ts";

const SIZE = 20_000;
/** Scenes begin two windows before midnight. */
const MIDNIGHT = 2 * SIZE;
const FIRST_DAY = "2026-01-15", SECOND_DAY = "2026-01-16";
const ALL = { counted: [COUNTED_ALL, COUNTED_ALL] };

const visitorsOf = (scene: Scene) => scene.history.database.state.visitors;
const closedMasks = (scene: Scene) =>
  [...scene.history.database.state.closed.values()].map(({ breakdown }) => breakdown.mask);

Deno.test("a day's salt ends with the day, and its sketches stay", async () => {
  const scene = new Scene(ALL);
  scene.start();
  await scene.until(1_000);
  scene.write(0, 900, { visitor: 1 });
  await scene.until(MIDNIGHT - 1);
  scene.write(0, MIDNIGHT - 1, { visitor: 2 });
  scene.write(0, MIDNIGHT - 1, { visitor: 3, bot: 1 });
  await scene.until(MIDNIGHT);
  scene.write(0, MIDNIGHT, { visitor: 1 });
  await scene.until(MIDNIGHT + 3_000);
  assertEquals([...visitorsOf(scene).salts.keys()], [FIRST_DAY, SECOND_DAY]);
  await scene.until(MIDNIGHT + 60_000);
  assertEquals([...visitorsOf(scene).salts.keys()], [SECOND_DAY]);
  assertEquals([...visitorsOf(scene).sketches].map(([key, sketch]) => [key.split("\x1f")[0], sketch.size]), [
    [FIRST_DAY, 2],
    [SECOND_DAY, 1],
  ]);
  await scene.finish();
});

Deno.test("what a fenced instance had put into its delta of visitors is sent again", async () => {
  const scene = new Scene(ALL);
  scene.start();
  const { store, pipeline } = scene.history.instances[0]!;
  const commit = store.commit.bind(store);
  let sent = 0;
  store.commit = (payload) => {
    if (++sent === 2) {
      // Another instance has committed.
      scene.row(0).commitId = "another";
      scene.history.audit.rebase();
    }
    return commit(payload);
  };
  scene.write(0, 1_000, { visitor: 1 });
  await scene.until(4_000);
  scene.write(0, 4_000, { visitor: 2 });
  await scene.until(19_000);
  assertEquals([pipeline.snapshot().commit.fenced, scene.row(0).counted], [1, 2]);
  await scene.finish();
});

Deno.test("a host that takes over the id of another has its own visitors", async () => {
  const scene = new Scene({ ...ALL, forgetful: true });
  scene.start();
  for (const [i, host] of [0, 2, 4, 0].entries()) {
    await scene.until(4_000 * i + 1_000);
    scene.write(0, 4_000 * i + 900, { host, visitor: 1 });
  }
  await scene.until(20_000);
  assertEquals(visitorsOf(scene).sketches.size, 3);
  await scene.finish();
});

Deno.test("a salt that a failover has lost is not counted by: what it had hashed is counted again", async () => {
  const scene = new Scene(ALL);
  scene.start();
  const { store, pipeline } = scene.history.instances[0]!;
  const salts = store.salts.bind(store);
  let asked = 0;
  store.salts = async (days) => {
    const found = await salts(days);
    if (++asked === 1) scene.history.database.loseSalt();
    return found;
  };
  scene.write(0, 1_000, { visitor: 1 });
  await scene.until(15_000);
  assertEquals([asked, pipeline.snapshot().commit.fenced, scene.row(0).counted], [2, 1, 1]);
  await scene.finish();
});

Deno.test("counting waits for a salt while the database is away, and goes on", async () => {
  const scene = new Scene(ALL);
  scene.start();
  await scene.until(3_000);
  scene.history.server.weather.mode = "refusing";
  scene.write(0, 2_900, { visitor: 1 });
  await scene.until(8_000);
  const { pipeline } = scene.history.instances[0]!;
  assertEquals([pipeline.snapshot().store.reachable, pipeline.snapshot().commit.pendingRecords], [false, 0]);
  scene.history.server.weather.mode = "up";
  await scene.until(14_000);
  assertEquals([pipeline.snapshot().phase, scene.row(0).counted, visitorsOf(scene).sketches.size], ["running", 1, 1]);
  await scene.finish();
});

Deno.test("a record whose day is closed already, by its rows, makes an instance read them again", async () => {
  const scene = new Scene(ALL);
  scene.start();
  const { store, pipeline } = scene.history.instances[0]!;
  const salts = store.salts.bind(store);
  let asked = 0;
  store.salts = async (days) => ++asked === 1 ? [] : await salts(days);
  scene.write(0, 1_000, { visitor: 1 });
  await scene.until(15_000);
  assertEquals([asked, pipeline.snapshot().commit.fenced, scene.row(0).counted], [2, 1, 1]);
  await scene.finish();
});

Deno.test("a window has the dimensions that all of its chunks have: an older release takes part in it with none", async () => {
  const scene = new Scene({ partitions: 2, counted: [COUNTED_ALL, 0] });
  scene.start(0);
  scene.start(1);
  await scene.until(6_000);
  for (const partition of [0, 1]) scene.write(partition, 5_900, { visitor: partition });
  await scene.until(SIZE + 1_000);
  // In the second window, only one instance has a record.
  scene.write(0, SIZE + 900, { visitor: 3 });
  await scene.until(80_000);
  const masks = closedMasks(scene);
  assertEquals([masks.length, masks[0]], [2, 0]);
  assertEquals([0, COUNTED_ALL].includes(masks[1]!), true);
  await scene.finish();
});
