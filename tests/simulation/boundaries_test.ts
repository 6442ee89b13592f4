// Hand-written histories at the edges of the rules: windows of 20 s, watermark delay 5 s, idle timeout 8 s. Times are ms after the start.
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { RULES_1, RULES_2, rulesJson } from "../../src/event/stream_rules.ts";
import { Unavailable } from "../../src/shared/errors.ts";
import { NEVER } from "../../src/shared/units.ts";
import type { SourceEvent } from "../../src/source/port.ts";
import { START } from "./plan.ts";
import { StreamStopped } from "../../src/shared/errors.ts";
import { Scene } from "./scene.ts";

const DELAY = 5_000, SIZE = 20_000, HOUR = 3_600_000;

Deno.test("an event at a window's start belongs to it, one at its end to the next", async () => {
  const scene = new Scene();
  scene.start();
  await scene.until(SIZE + 1_000);
  for (const time of [0, SIZE - 1, SIZE]) scene.write(0, time);
  await scene.until(SIZE + 4_000);
  assertEquals(scene.open, { 0: 2, [SIZE]: 1 });
  await scene.finish();
});

for (
  const { name, raise, late } of [
    { name: "end + delay − 1 ms leaves the window open", raise: SIZE + DELAY - 1, late: 0 },
    { name: "end + delay ends it", raise: SIZE + DELAY, late: 1 },
    { name: "end + delay + 1 ms ends it", raise: SIZE + DELAY + 1, late: 1 },
  ]
) {
  Deno.test(`an event at ${name} for the records behind it`, async () => {
    const scene = new Scene();
    await scene.until(30_000);
    scene.write(0, raise);
    scene.write(0, SIZE - 1);
    scene.start();
    await scene.until(33_000);
    assertEquals(scene.watermark(0), raise - DELAY);
    assertEquals(scene.late, late ? { 0: 1 } : {});
    assertEquals(scene.row(0).counted, 2 - late);
    await scene.finish();
  });
}

Deno.test("a window closes when all watermarks equal its end", async () => {
  const scene = new Scene({ partitions: 3, idleTimeout: null });
  await scene.until(30_000);
  scene.start();
  for (const partition of [0, 1, 2]) {
    scene.write(partition, 1_000);
    scene.write(partition, SIZE + DELAY);
  }
  await scene.until(35_000);
  assertEquals([0, 1, 2].map((p) => scene.watermark(p)), [SIZE, SIZE, SIZE]);
  assertEquals(scene.closed, { 0: 3 });
  await scene.finish();
});

Deno.test("one lagging partition holds windows open that its own records still reach", async () => {
  const scene = new Scene({ partitions: 2, idleTimeout: null });
  await scene.until(30_000);
  scene.start();
  scene.write(0, 1_000);
  scene.write(0, SIZE + DELAY);
  scene.write(1, SIZE + DELAY - 1);
  await scene.until(60_000);
  assertEquals(scene.closed, {});
  scene.write(1, 1_000);
  scene.write(1, SIZE + DELAY);
  await scene.until(65_000);
  assertEquals([scene.closed, scene.late], [{ 0: 2 }, {}]);
  await scene.finish();
});

Deno.test("empty partitions and partitions of dead letters hold no other partition up", async () => {
  const scene = new Scene({ partitions: 3 });
  scene.start();
  scene.write(0, 1_000);
  scene.write(2, 60_000, { recordTime: 0 }); // more than MAX_FUTURE_SKEW ahead
  await scene.until(SIZE + DELAY + 8_000 + 4_000);
  assertEquals(scene.row(2).dead, 1);
  assertEquals(scene.closed, { 0: 1 });
  assertEquals([1, 2].map((p) => scene.watermark(p)), [SIZE, SIZE]);
  await scene.finish();
});

Deno.test("a stream without any counted record never advances by silence", async () => {
  const scene = new Scene({ partitions: 2 });
  scene.start();
  scene.write(0, 60_000, { recordTime: 0 });
  await scene.until(120_000);
  assertEquals([0, 1].map((p) => scene.watermark(p)), [NEVER, NEVER]);
  scene.write(0, 1_000);
  await scene.until(125_000);
  assertEquals(scene.late, {});
  await scene.finish();
});

Deno.test("all idle: silence closes what was counted and stops at the end of the highest counted window", async () => {
  const scene = new Scene({ partitions: 2 });
  scene.start();
  scene.write(0, 1_000);
  await scene.until(SIZE + 1_000);
  scene.write(1, SIZE + 1_000);
  await scene.until(600_000);
  assertEquals(scene.closed, { 0: 1, [SIZE]: 1 });
  assertEquals([0, 1].map((p) => scene.watermark(p)), [2 * SIZE, 2 * SIZE]);
  // Records of the next window are on time, however long the silence was.
  scene.write(0, 2 * SIZE);
  await scene.until(605_000);
  assertEquals(scene.late, {});
  await scene.finish();
});

Deno.test("the highest counted window of the whole stream bounds silence, also where another instance counted it", async () => {
  const scene = new Scene({ partitions: 2 });
  scene.start(0);
  scene.start(1);
  await scene.until(10_000);
  scene.write(0, SIZE + 1_000, { recordTime: SIZE + 1_000 });
  await scene.until(70_000);
  assertEquals([0, 1].map((p) => scene.watermark(p)), [2 * SIZE, 2 * SIZE]);
  assertEquals(scene.closed, { [SIZE]: 1 });
  await scene.finish();
});

Deno.test("silence is quiet until a later record confirms it", async () => {
  const scene = new Scene();
  scene.start();
  scene.write(0, 1_000);
  await scene.until(60_000);
  const { quietSince, recordWatermark, watermark } = scene.row(0);
  assert(quietSince !== null && recordWatermark < watermark);
  scene.write(0, SIZE + DELAY - 1);
  await scene.until(63_000);
  assertEquals(scene.row(0).quietSince, quietSince, "a record that does not reach the watermark confirms nothing");
  scene.write(0, 2 * SIZE + DELAY + 1);
  await scene.until(64_900);
  assertEquals(scene.row(0).quietSince, null);
  await scene.finish();
});

Deno.test("silence has to last for the timeout", async () => {
  const scene = new Scene();
  await scene.until(100_000);
  scene.write(0, 1_000);
  scene.start();
  await scene.until(107_000);
  assertEquals([scene.watermark(0), scene.open], [1_000 - DELAY, { 0: 1 }]);
  await scene.until(113_000);
  assertEquals([scene.watermark(0), scene.closed], [SIZE, { 0: 1 }]);
  await scene.finish();
});

Deno.test("a backlog is never split by silence", async () => {
  const scene = new Scene({ partitions: 2, batchMax: 1, latencyMax: 800 });
  await scene.until(300_000);
  // Partition 0 has one record; partition 1 a long backlog that is read one record at a time, each window long over by the clock.
  scene.write(0, 1_000);
  for (let i = 0; i < 60; i++) scene.write(1, i * 2_000);
  for (let i = 0; i < 60; i++) scene.write(1, i * 2_000 - 4_000);
  scene.start();
  await scene.until(330_000);
  assert(scene.row(1).nextOffset < 120, "the backlog is meant to take longer");
  const late = scene.row(1).late;
  await scene.until(480_000);
  assertEquals(scene.row(1).nextOffset, 120);
  assertEquals(scene.history.database.state.advances.filter((a) => a.partition === 1 && a.atOffset < 120), []);
  assert(scene.row(1).late > late, "the second pass is late by the first, not by silence");
  await scene.finish();
});

Deno.test("an open transaction holds the window: the last stable offset is not the log's end", async () => {
  const scene = new Scene();
  scene.start();
  scene.write(0, 1_000);
  await scene.until(2_000);
  scene.write(0, 2_000, { transaction: 7 });
  await scene.until(120_000);
  assertEquals([scene.row(0).nextOffset, scene.closed, scene.open], [1, {}, { 0: 1 }]);
  scene.history.topic.partitions[0]!.end(7, "commit", scene.history.world.now);
  await scene.until(140_000);
  assertEquals([scene.closed, scene.late, scene.row(0).skipped], [{ 0: 2 }, {}, 1]);
  await scene.finish();
});

Deno.test("an added partition begins at the stored closed-through: closed windows stay closed", async () => {
  const scene = new Scene();
  scene.start();
  scene.write(0, 1_000);
  await scene.until(60_000);
  assertEquals(scene.closed, { 0: 1 });
  scene.history.topic.addPartition();
  scene.write(1, 2_000);
  scene.write(1, SIZE);
  await scene.until(64_000);
  assertEquals(scene.row(1).initialWatermark, START + SIZE);
  assertEquals([scene.late, scene.open], [{ 0: 1 }, { [SIZE]: 1 }]);
  await scene.until(120_000);
  assertEquals(scene.closed, { 0: 1, [SIZE]: 1 });
  await scene.finish();
});

Deno.test("future events: a producer whose clock is fast makes no other producer late", async () => {
  const scene = new Scene();
  scene.start();
  await scene.until(10_000);
  scene.write(0, 10_000 + 15_000); // as far ahead as is allowed
  scene.write(0, 10_000 + 15_001); // one further
  scene.write(0, 1_000);
  await scene.until(14_000);
  assertEquals([scene.row(0).counted, scene.row(0).dead, scene.row(0).late], [2, 1, 0]);
  assertEquals(scene.watermark(0), 10_000 - DELAY);
  await scene.finish();
});

for (const by of [-HOUR, HOUR]) {
  Deno.test(`a clock that jumps by ${by / HOUR} h stops neither reading nor committing, and makes nothing late or dead`, async () => {
    const scene = new Scene();
    scene.start();
    for (let at = 1_000; at < 20_000; at += 1_000) {
      await scene.until(at);
      scene.write(0, at);
    }
    scene.history.instances[0]!.process.clockOffset += by;
    for (let at = 20_000; at < 70_000; at += 1_000) {
      await scene.until(at);
      scene.write(0, at);
    }
    await scene.until(80_000);
    const { counted, late, dead, nextOffset } = scene.row(0);
    assertEquals([nextOffset, counted, late, dead], [69, 69, 0, 0]);
    assertEquals(scene.closed, { 0: 19, [SIZE]: 20, [2 * SIZE]: 20 });
    await scene.finish();
  });
}

Deno.test("a database clock that jumps ahead closes no window that its highest record does not end", async () => {
  const scene = new Scene();
  scene.start();
  await scene.until(5_000);
  scene.write(0, 5_000);
  scene.history.server.weather.clockOffset = HOUR;
  await scene.until(30_000);
  scene.write(0, SIZE + 9_000);
  await scene.until(90_000);
  assertEquals([scene.late, scene.row(0).counted], [{}, 2]);
  await scene.finish();
});

Deno.test("a storm of rebalances still makes progress", async () => {
  const scene = new Scene({ partitions: 2, intervalMs: 3_000 });
  scene.start(0);
  scene.start(1);
  await scene.until(10_000);
  for (let at = 10_000; at < 60_000; at += 2_000) {
    await scene.until(at);
    scene.history.group.rebalance();
    scene.write(0, at);
    scene.write(1, at);
  }
  const read = scene.row(0).nextOffset + scene.row(1).nextOffset;
  assert(read >= 40, `${read} of 50 records are committed while the storm goes on`);
  await scene.until(80_000);
  await scene.finish();
});

Deno.test("an instance that was fenced leaves the partition alone until the group confirms it", async () => {
  const scene = new Scene({ partitions: 2 });
  scene.start(0);
  await scene.until(5_000);
  scene.start(1);
  await scene.until(15_000);
  // Instance 0 is expelled without a word and hears nothing more from the group, but goes on fetching what it has.
  const [expelled, heir] = scene.history.instances;
  const contested = expelled!.pipeline.snapshot().partitions.map((p) => p.partition);
  assertEquals(contested.length, 1);
  expelled!.source.heartbeatsLost = true;
  scene.history.group.expel(expelled!.source.memberId!);
  for (let at = 20_000; at < 70_000; at += 500) {
    await scene.until(at);
    scene.write(contested[0]!, at);
  }
  const fenced = expelled!.pipeline.snapshot().commit.fenced;
  assert(fenced >= 1, "the two are meant to meet");
  assertEquals(fenced, 1, "it came back without having been confirmed");
  assert(heir!.pipeline.snapshot().commit.fenced <= 2, "the heir is not disturbed");
  assertEquals(scene.row(contested[0]!).nextOffset >= 95, true);
  expelled!.source.heartbeatsLost = false;
  await scene.until(90_000);
  await scene.finish();
});

Deno.test("a restored database is noticed also by an instance that has nothing to commit", async () => {
  const scene = new Scene();
  scene.start();
  scene.write(0, 1_000);
  await scene.until(4_000);
  const backup = scene.history.database.backup();
  scene.write(0, 2_000);
  await scene.until(8_000);
  assertEquals(scene.row(0).nextOffset, 2);
  scene.history.database.restore(backup);
  scene.history.audit.rebase();
  assertEquals(scene.row(0).nextOffset, 1);
  await scene.until(14_000);
  assertEquals([scene.row(0).nextOffset, scene.row(0).counted], [2, 2]);
  await scene.finish();
});

for (
  const { code, hurt } of [
    { code: "data_gap", hurt: (scene: Scene) => void (scene.history.topic.partitions[0]!.logStart = 5) },
    { code: "position_beyond_end", hurt: (scene: Scene) => scene.history.topic.partitions[0]!.truncate(2) },
    { code: "topic_recreated", hurt: (scene: Scene) => scene.history.topic.recreate(1) },
    { code: "partitions_removed", hurt: (scene: Scene) => void scene.history.topic.partitions.pop() },
  ]
) {
  Deno.test(`${code} stops the stream at the next start, and changes nothing`, async () => {
    const scene = new Scene({ partitions: 2 });
    scene.start();
    for (let i = 0; i < 4; i++) scene.write(0, i * 100);
    await scene.until(5_000);
    scene.history.instances[0]!.abort.abort();
    await scene.until(10_000);
    const before = JSON.stringify([...scene.history.database.state.rows]);
    for (let i = 0; i < 6; i++) scene.write(0, 5_000 + i);
    hurt(scene);
    scene.start();
    await scene.until(15_000);
    assertEquals(scene.history.database.state.stream?.stopped, code);
    assertEquals(JSON.stringify([...scene.history.database.state.rows]), before);
    assertEquals(scene.history.instances[0]!.pipeline.snapshot().reasonCode, code);
  });
}

Deno.test("a topic that is recreated and filled while the engine runs is not read into the old positions", async () => {
  const scene = new Scene();
  scene.start();
  for (let i = 0; i < 4; i++) scene.write(0, i * 100);
  await scene.until(4_500);
  scene.history.topic.recreate(1);
  await scene.until(16_000);
  for (let i = 0; i < 40; i++) scene.write(0, 16_000 + i);
  await scene.until(40_000);
  assertEquals([scene.history.database.state.stream?.stopped, scene.row(0).nextOffset], ["topic_recreated", 4]);
});

Deno.test("run --once reads to the end it saw, closes what the clock allows, and ends", async () => {
  const scene = new Scene({ partitions: 3 });
  await scene.until(SIZE + DELAY + 1_000);
  scene.write(0, 1_000);
  scene.write(1, SIZE + 1_000);
  scene.start(0, true);
  await scene.until(SIZE + DELAY + 10_000);
  assertEquals(scene.history.instances[0]!.running, false);
  assertEquals([scene.closed, scene.open], [{ 0: 1 }, { [SIZE]: 1 }]);
  await scene.finish();
});

Deno.test("run --once ends with the name of what is absent, also where the stream is known", async () => {
  const scene = new Scene();
  scene.write(0, 1_000);
  scene.start(0, true);
  await scene.until(60_000);
  assertEquals(scene.history.instances[0]!.running, false);
  scene.history.topic.available = false;
  scene.start(0, true, 20_000);
  await scene.until(70_000);
  assertEquals(scene.history.instances[0]!.running, true);
  await scene.until(90_000);
  assertInstanceOf(scene.history.instances[0]!.ended, Unavailable);
  await scene.finish();
});

Deno.test("the log's end is judged by a look after the rows were read: what is committed meanwhile is not a fault", async () => {
  const scene = new Scene({ partitions: 2 });
  scene.start(0);
  await scene.until(8_000);
  scene.start(1);
  const { source } = scene.history.instances[1]!;
  const identify = source.identify.bind(source);
  source.identify = async () => {
    const seen = await identify();
    await scene.wait(4_000);
    return seen;
  };
  for (let at = 8_500; at < 25_000; at += 500) {
    await scene.until(at);
    for (const partition of [0, 1]) scene.write(partition, at);
  }
  await scene.until(40_000);
  assertEquals(scene.history.database.state.stream?.stopped, null);
  assertEquals([0, 1].map((p) => scene.row(p).nextOffset), [33, 33]);
  await scene.finish();
});

Deno.test("a partition that the group knows before the metadata do is read as soon as they show it", async () => {
  const scene = new Scene({ partitions: 2 });
  scene.start();
  const { source } = scene.history.instances[0]!;
  const identify = source.identify.bind(source);
  source.identify = async () => {
    const { topicId, partitions } = await identify();
    return { topicId, partitions: partitions.slice(0, 1) };
  };
  scene.write(1, 1_000);
  await scene.until(6_000);
  assertEquals(scene.history.instances[0]!.pipeline.snapshot().reasonCode, "source_unavailable");
  source.identify = identify;
  await scene.until(12_000);
  assertEquals(scene.row(1).nextOffset, 1);
  await scene.finish();
});

Deno.test("run --once closes what it may although the database is away when it comes to that", async () => {
  const scene = new Scene();
  await scene.until(SIZE + DELAY + 1_000);
  scene.write(0, 1_000);
  scene.start(0, true);
  const { weather } = scene.history.server;
  for (
    let at = SIZE + DELAY + 1_000;
    scene.history.database.state.rows.get(0)?.maxWindowEnd !== START + SIZE;
    at += 1
  ) {
    await scene.until(at);
  }
  for (let at = scene.history.world.now - START; scene.watermark(0) !== SIZE; at += 1) await scene.until(at);
  weather.mode = "refusing";
  await scene.until(scene.history.world.now - START + 5_000);
  assertEquals([scene.closed, scene.history.instances[0]!.running], [{}, true]);
  weather.mode = "up";
  await scene.until(scene.history.world.now - START + 20_000);
  assertEquals([scene.closed, scene.history.instances[0]!.running], [{ 0: 1 }, false]);
  await scene.finish();
});

Deno.test("a batch of an older generation is refused also where its position fits", async () => {
  const scene = new Scene();
  scene.start();
  await scene.until(5_000);
  const { source, pipeline } = scene.history.instances[0]!;
  const poll = source.poll.bind(source);
  let kept: SourceEvent & { kind: "batch" } | null = null, held = false;
  source.poll = async (ms) => {
    if (
      kept && pipeline.snapshot().generation > kept.generation && pipeline.snapshot().partitions[0]?.state === "flowing"
    ) {
      const stale = kept;
      kept = null;
      return stale;
    }
    const event = await poll(ms);
    if (held || event.kind !== "batch" || event.batch.next === event.batch.from) return event;
    held = true;
    kept = event;
    scene.history.group.rebalance();
    scene.write(0, 6_001);
    return { kind: "timeout" };
  };
  await scene.until(7_000); // the poll under way is not ours yet
  scene.write(0, 6_000);
  await scene.until(15_000);
  assert(held && kept === null, "the stale batch is meant to be handed out");
  assertEquals([scene.row(0).nextOffset, scene.row(0).counted], [2, 2]);
  await scene.finish();
});

Deno.test("a commit under way is brought to its end before positions are read again", async () => {
  const scene = new Scene();
  scene.start();
  const { weather } = scene.history.server;
  for (let round = 1; round <= 8; round++) {
    await scene.until(round * 8_000);
    scene.write(0, round * 8_000);
    while (!scene.history.instances[0]!.pipeline.snapshot().commit.inFlight) {
      await scene.until(scene.history.world.now - START + 1);
    }
    weather.mode = "hanging";
    scene.history.group.rebalance();
    await scene.until(round * 8_000 + 4_000);
    weather.mode = "up";
    scene.history.server.release();
  }
  await scene.until(80_000);
  assertEquals([scene.row(0).nextOffset, scene.history.instances[0]!.pipeline.snapshot().commit.fenced], [8, 0]);
  await scene.finish();
});

Deno.test("a commit whose reply was lost is known again by its id: no instance fences itself", async () => {
  const scene = new Scene();
  scene.start();
  const { store, pipeline } = scene.history.instances[0]!;
  const commit = store.commit.bind(store);
  let lost = 0;
  store.commit = async (payload) => {
    const outcome = await commit(payload);
    return lost++ === 0 ? { kind: "unknown", cause: new Error("the reply was lost") } : outcome;
  };
  scene.write(0, 1_000);
  await scene.until(4_000);
  scene.write(0, 4_000);
  await scene.until(8_000);
  const { fenced, unknownOutcomes } = pipeline.snapshot().commit;
  assertEquals([lost > 1, fenced, unknownOutcomes], [true, 0, 1]);
  assertEquals([scene.row(0).nextOffset, scene.row(0).counted], [2, 2]);
  await scene.finish();
});

Deno.test("a broker that was away for a while leaves no trace in readiness", async () => {
  const scene = new Scene();
  scene.start();
  await scene.until(5_000);
  scene.history.topic.available = false;
  await scene.until(9_000);
  const { pipeline } = scene.history.instances[0]!;
  assertEquals([pipeline.snapshot().phase, pipeline.snapshot().reasonCode], ["waiting", "source_unavailable"]);
  scene.history.topic.available = true;
  await scene.until(20_000);
  assertEquals([pipeline.snapshot().phase, pipeline.snapshot().reasonCode], ["running", null]);
  await scene.finish();
});

Deno.test("an instance that is stopped commits what it has counted", async () => {
  const scene = new Scene({ intervalMs: 600_000 });
  scene.start();
  scene.write(0, 1_000); // the first is committed at once: its watermark is in a new window
  await scene.until(5_000);
  scene.write(0, 2_000);
  await scene.until(8_000);
  const { pipeline, abort } = scene.history.instances[0]!;
  assertEquals([pipeline.snapshot().partitions[0]!.position, scene.row(0).nextOffset], [2, 1]);
  abort.abort();
  await scene.until(12_000);
  assertEquals(scene.row(0).nextOffset, 2);
  await scene.finish();
});

Deno.test("a look at the rows that spans a commit proves nothing", async () => {
  const scene = new Scene();
  scene.start();
  await scene.until(3_000);
  const { store, pipeline } = scene.history.instances[0]!;
  const read = store.read.bind(store);
  store.read = async () => {
    const stored = await read();
    await scene.wait(2_000);
    return stored;
  };
  for (let at = 3_000; at < 40_000; at += 300) {
    await scene.until(at);
    scene.write(0, at);
  }
  store.read = read;
  await scene.until(50_000);
  assertEquals([pipeline.snapshot().commit.fenced, scene.row(0).nextOffset], [0, 124]);
  await scene.finish();
});

Deno.test("a commit rests on a fresh look at the topic's id", async () => {
  const scene = new Scene();
  scene.start();
  scene.write(0, 1_000);
  await scene.until(5_000);
  const { source } = scene.history.instances[0]!;
  const identify = source.identify.bind(source);
  source.identityCheckedAt = () => NEVER;
  source.identify = async () => ({ ...await identify(), topicId: "another" });
  scene.write(0, 5_000);
  await scene.until(8_000);
  assertEquals([scene.row(0).nextOffset, scene.history.database.state.stream?.stopped], [1, "topic_recreated"]);
});

Deno.test("the last commit of a stopping instance rests on a fresh look at the topic's id, too", async () => {
  for (const [topicId, position] of [["another", 2], [null, 3]] as const) {
    const scene = new Scene({ intervalMs: 3_000 });
    scene.start();
    scene.write(0, 1_000);
    await scene.until(8_000);
    const { source, abort, pipeline } = scene.history.instances[0]!;
    const identify = source.identify.bind(source);
    scene.write(0, 8_000);
    await scene.until(8_900);
    scene.write(0, 9_000);
    await scene.until(9_900);
    const seen = pipeline.snapshot().partitions[0]?.position;
    assertEquals([seen, scene.row(0).nextOffset], [3, 2], "counted, not committed");
    source.identityCheckedAt = () => NEVER;
    source.identify = async () => ({ ...await identify(), topicId });
    abort.abort();
    await scene.until(20_000);
    assertEquals(scene.row(0).nextOffset, position, `topic id ${topicId}`);
  }
});

Deno.test("a batch that does not fit into a delta is committed in parts, each record once", async () => {
  const scene = new Scene({ maxDeltaBytes: 1 });
  scene.start();
  for (let host = 0; host < 30; host++) scene.write(0, 1_000 + host, { host });
  await scene.until(6_000);
  const { totals, commit } = scene.history.instances[0]!.pipeline.snapshot();
  assertEquals([scene.row(0).nextOffset, totals.counted, commit.pendingKeys], [30, 30, 0]);
  assert(totals.batchesSplit > 0 && totals.commits >= 30, JSON.stringify(totals));
  await scene.finish();
});

Deno.test("an instance that slept past the log's retention does not stop those that have read on", async () => {
  const scene = new Scene();
  scene.start(0);
  scene.write(0, 1_000);
  await scene.until(5_000);
  const { process, source } = scene.history.instances[0]!;
  source.heartbeatsLost = true; // so that its next fetch comes before it hears that it is not a member any more
  process.freeze();
  scene.history.group.expel(source.memberId!);
  scene.start(1);
  for (let at = 6_000; at < 40_000; at += 1_000) {
    await scene.until(at);
    scene.write(0, at);
  }
  await scene.until(45_000);
  assertEquals(scene.row(0).nextOffset, 35);
  scene.history.topic.partitions[0]!.logStart = 35;
  process.thaw();
  await scene.until(55_000);
  source.heartbeatsLost = false;
  await scene.until(60_000);
  scene.write(0, 60_000);
  await scene.until(70_000);
  assertEquals([scene.history.database.state.stream?.stopped, scene.row(0).nextOffset], [null, 36]);
  await scene.finish();
});

Deno.test("a fault seen from where an instance was before it was fenced stops no instance", async () => {
  const scene = new Scene();
  scene.start(0);
  scene.write(0, 1_000);
  await scene.until(5_000);
  const { process, source, pipeline } = scene.history.instances[0]!;
  source.heartbeatsLost = true; // it goes on as a member that it no longer is
  scene.history.group.expel(source.memberId!);
  scene.start(1);
  for (let at = 6_000; at < 20_000; at += 1_000) {
    await scene.until(at);
    scene.write(0, at);
  }
  assertEquals(pipeline.snapshot().commit.fenced > 0, true);
  assertEquals(pipeline.snapshot().partitions, [], "it has given everything up");
  process.freeze();
  for (let at = 20_000; at < 30_000; at += 1_000) {
    await scene.until(at);
    scene.write(0, at);
  }
  await scene.until(35_000);
  assertEquals(scene.row(0).nextOffset, 25);
  scene.history.topic.partitions[0]!.logStart = 25;
  process.thaw();
  await scene.until(50_000);
  source.heartbeatsLost = false;
  await scene.until(60_000);
  scene.write(0, 60_000);
  await scene.until(70_000);
  assertEquals([scene.history.database.state.stream?.stopped, scene.row(0).nextOffset], [null, 26]);
  await scene.finish();
});

Deno.test("silence that rests on a commit of unknown outcome is not committed by an instance that stops", async () => {
  const scene = new Scene({ partitions: 2 });
  scene.start();
  scene.write(0, 1_000);
  scene.write(1, 1_000);
  await scene.until(60_500);
  assertEquals([scene.watermark(0), scene.watermark(1)], [20_000, 20_000]);
  const { source, store, abort } = scene.history.instances[0]!;
  const { commit, read } = store;
  // The commit of the next record never arrives, and no process can find that out.
  store.commit = () => Promise.resolve({ kind: "unknown", cause: new Error("no answer") });
  store.read = () => Promise.reject(new Error("no answer"));
  scene.write(1, 45_000);
  // Long enough for partition 0 to be raised to the end of that record's window, too short for partition 1 to be silent.
  await scene.until(67_000);
  // It is stopped at the end of a poll, with the first commit still on its way.
  const poll = source.poll.bind(source);
  source.poll = async (ms) => {
    const event = await poll(ms);
    store.commit = commit;
    store.read = read;
    abort.abort();
    return event;
  };
  await scene.until(75_000);
  assertEquals([scene.watermark(0), scene.row(1).nextOffset], [20_000, 1]);
  scene.verify();
  scene.start();
  await scene.until(90_000);
  assertEquals([scene.watermark(0), scene.row(1).nextOffset], [60_000, 2]);
  await scene.finish();
});

Deno.test("a stop is recorded by the name that the stored positions give it", async () => {
  const scene = new Scene();
  scene.start();
  for (let i = 0; i < 4; i++) scene.write(0, i * 100);
  await scene.until(5_000);
  const { source, pipeline } = scene.history.instances[0]!;
  // What the source has seen, from wherever it stood, is something else than what is there.
  let event: SourceEvent = { kind: "timeout" };
  source.poll = async () => {
    await scene.wait(50);
    return event;
  };
  await scene.until(6_000);
  scene.history.topic.partitions[0]!.truncate(2);
  event = { kind: "stopped", error: new StreamStopped("data_gap", "seen", "look") };
  await scene.until(10_000);
  assertEquals(
    [scene.history.database.state.stream?.stopped, pipeline.snapshot().reasonCode],
    ["position_beyond_end", "position_beyond_end"],
  );
});

Deno.test("an instance that is stopped while a commit is due makes it its last one", async () => {
  const scene = new Scene();
  scene.start();
  scene.write(0, 1_000);
  await scene.until(5_000);
  assertEquals(scene.row(0).nextOffset, 1);
  const { source, abort } = scene.history.instances[0]!;
  const poll = source.poll.bind(source);
  source.poll = async (ms) => {
    const event = await poll(ms);
    if (event.kind === "batch" && event.batch.next > event.batch.from) abort.abort();
    return event;
  };
  await scene.until(8_000); // the interval is over
  scene.write(0, 8_000);
  await scene.until(12_000);
  assertEquals([scene.row(0).nextOffset, scene.row(0).counted], [2, 2]);
  await scene.finish();
});

Deno.test("a batch that cannot be read stops no instance where it was read after the partition was given up", async () => {
  const scene = new Scene();
  scene.start(0);
  scene.write(0, 1_000);
  await scene.until(5_000);
  const { source, pipeline } = scene.history.instances[0]!;
  source.heartbeatsLost = true; // it goes on as a member that it no longer is
  scene.history.group.expel(source.memberId!);
  scene.start(1);
  for (let at = 6_000; at < 20_000; at += 1_000) {
    await scene.until(at);
    scene.write(0, at);
  }
  assertEquals(pipeline.snapshot().partitions.length, 0, "it has given everything up");
  const { poll } = source;
  source.poll = () => {
    source.poll = poll;
    return Promise.resolve({ kind: "stopped", error: new StreamStopped("corrupt_batch", "an old fetch", "look") });
  };
  await scene.until(40_000);
  source.heartbeatsLost = false;
  scene.write(0, 40_000);
  await scene.until(60_000);
  assertEquals([scene.history.database.state.stream?.stopped, scene.row(0).nextOffset], [null, 16]);
  await scene.finish();
});

Deno.test("a switch of the rules holds from the stored position on: what was counted before it and not committed is read again", async () => {
  const scene = new Scene({ intervalMs: 10_000 });
  scene.history.database.madeByRules = rulesJson(RULES_1);
  scene.start();
  await scene.until(2_000);
  scene.write(0, 1_000, { host: 1 });
  await scene.until(12_000);
  assertEquals(scene.row(0).nextOffset, 1);
  scene.write(0, 1_001, { host: 3 });
  await scene.until(14_000);
  scene.history.switchRules();
  scene.write(0, 1_002, { host: 5 });
  await scene.until(30_000);
  assertEquals(scene.hosts, { "h1.example": 1, "h2.example": 1, "h4.example": 1 });
  await scene.finish();
});

Deno.test("a switch of the rules is noticed also by an instance that has nothing to commit", async () => {
  const scene = new Scene();
  scene.history.database.madeByRules = rulesJson(RULES_1);
  scene.start();
  scene.write(0, 1_000, { host: 1 });
  await scene.until(6_000);
  scene.history.switchRules();
  await scene.until(16_000);
  scene.write(0, 15_000, { host: 3 });
  await scene.until(20_000);
  assertEquals(scene.hosts, { "h1.example": 1, "h2.example": 1 });
  await scene.finish();
});

Deno.test("a partition that is taken back meets other rules: what was counted of the others by the old ones is dropped", async () => {
  // Another instance has moved partition 0, which is left until the group confirms it; partition 1 flows meanwhile. The group confirms it right
  // after a switch; over several seeds a commit is due before the next look at the rows.
  for (let seed = 1; seed <= 12; seed++) {
    const scene = new Scene({ partitions: 2, intervalMs: 5_500 + 250 * seed }, seed);
    const { database, audit, instances, world } = scene.history;
    database.madeByRules = rulesJson(RULES_1);
    scene.start();
    // Committed at once: a watermark has entered its first window. What comes later in that window waits for the interval.
    for (const id of [0, 1]) scene.write(id, 1_000, { host: 1 });
    await scene.until(5_000);
    const { source, process } = instances[0]!;
    const before = source.confirmedAt();
    source.confirmedAt = () => before;
    database.state.rows.get(0)!.commitId = crypto.randomUUID();
    audit.rebase();
    const partition = (id: number) => instances[0]!.pipeline.snapshot().partitions.find((p) => p.partition === id);
    const soon = async (holds: () => boolean) => {
      for (let n = 0; n < 800 && !holds(); n++) await world.run(world.now + 10);
    };
    await soon(() => partition(0) === undefined && partition(1)?.state === "flowing");
    scene.write(1, 1_001, { host: 3 });
    await soon(() => (partition(1)?.position ?? 0) > 1);
    const third = scene.row(1).nextOffset > 1 ? "h3.example" : "h2.example";
    scene.history.switchRules();
    source.confirmedAt = () => process.clock.now();
    await world.run(world.now + 90_000);
    assertEquals(audit.violations, [], `seed ${seed}`);
    assertEquals(scene.hosts, { "h1.example": 2, [third]: 1 }, `seed ${seed}`);
    await scene.finish();
  }
});

for (
  const { name, rules, code } of [
    { name: "rules that this release does not know", rules: '{"version":3}', code: "rules_unknown" },
    { name: "a rule that this release does not know", rules: '{"version":2,"line_format":"x"}', code: "rules_unknown" },
    {
      name: "other rules than its settings ask for",
      rules: rulesJson({ ...RULES_2, hostAddresses: "keep" }),
      code: "event_rules_differ",
    },
  ]
) {
  Deno.test(`an engine ends by name and counts nothing under ${name}`, async () => {
    const scene = new Scene();
    scene.start();
    scene.write(0, 1_000);
    await scene.until(4_000);
    const { database, audit, instances } = scene.history;
    database.switchRules(rules);
    audit.rebase();
    scene.write(0, 1_001);
    await scene.until(20_000);
    assertEquals(instances[0]!.running, false);
    assertEquals(audit.violations.length, 1);
    assert(audit.violations[0]!.includes("UsageError"), audit.violations[0]);
    assertEquals(scene.row(0).nextOffset, 1);
    assert(code.length > 0);
  });
}

Deno.test("a regular commit lets the one go first that is about to release a window", async () => {
  const scene = new Scene();
  scene.start();
  await scene.until(3_000);
  const { store } = scene.history.instances[0]!, commit = store.commit.bind(store);
  /** Of each commit: how far its watermark is from the end of a window, ms. */
  const left: number[] = [];
  store.commit = (payload) => {
    left.push(SIZE - (payload.moves[0]!.watermark - START) % SIZE);
    return commit(payload);
  };
  for (let at = 3_000; at < 12 * SIZE; at += 100) {
    scene.write(0, at);
    await scene.until(at + 100);
  }
  assert(left.length > 150 && scene.closed[10 * SIZE] === 200, "commits are regular, and windows close");
  assertEquals(left.filter((ms) => ms <= 300), []);
  await scene.finish();
});

Deno.test("a regular commit waits for a second at most where event times hardly advance before a window's end", async () => {
  const scene = new Scene();
  scene.start();
  await scene.until(40_000);
  for (let n = 0; n < 200; n++) {
    scene.write(0, SIZE + DELAY - 300 + n);
    await scene.until(40_100 + 100 * n);
  }
  const { commits } = scene.history.instances[0]!.pipeline.snapshot().totals;
  assert(commits >= 8, `${commits} commits in 20 s`);
  await scene.finish();
});

Deno.test("a commit that releases a window does not wait for the next one, also where event times are a window late", async () => {
  const scene = new Scene();
  await scene.until(SIZE);
  scene.start();
  await scene.until(SIZE + 3_000);
  const { store } = scene.history.instances[0]!, commit = store.commit.bind(store);
  const watermarks: number[] = [];
  store.commit = (payload) => {
    watermarks.push(payload.moves[0]!.watermark - START);
    return commit(payload);
  };
  for (let at = 3_000; at < 7 * SIZE; at += 100) {
    scene.write(0, at);
    await scene.until(SIZE + at + 100);
  }
  for (let end = SIZE; end <= 6 * SIZE; end += SIZE) {
    const first = watermarks.find((watermark) => watermark >= end)!;
    assert(first <= end + 300, `the window that ends at ${end} was released at ${first}`);
  }
  await scene.finish();
});
