import { assert, assertEquals } from "@std/assert";
import { epochMs, HOUR, offset, partitionId } from "../../../src/shared/units.ts";
import { createDemoSource } from "../../../src/source/demo/source.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { MemoryLease } from "../../../src/source/lease.ts";
import type { FetchedBatch, Source } from "../../../src/source/port.ts";
import { until } from "../../support/wait.ts";
import { ManualClock } from "../file/rig.ts";

const ANCHOR = epochMs(Date.UTC(2026, 0, 5));

async function opened(
  clock: ManualClock,
  rate = 20,
  holder: { owner: MemoryLease | null } = { owner: null },
): Promise<Source> {
  const source = createDemoSource({
    seed: 3,
    shards: 3,
    anchor: ANCHOR,
    rate,
    clock,
    log: silentLog,
    lease: new MemoryLease(holder),
  });
  await source.open(new AbortController().signal);
  const event = await source.poll(0);
  assertEquals(event, { kind: "assigned", generation: 1, partitions: [0, 1, 2].map(partitionId) });
  return source;
}

async function batch(source: Source): Promise<FetchedBatch> {
  const event = await source.poll(0);
  assert(event.kind === "batch", event.kind);
  return event.batch;
}

Deno.test("createDemoSource() delivers every record up to now once, then reports each end", async () => {
  const clock = new ManualClock(ANCHOR + HOUR);
  const source = await opened(clock);
  assertEquals((await source.poll(0)).kind, "timeout");
  const bounds = (await source.identify()).partitions;
  const at = new Map(bounds.map(({ partition, logStart }) => [partition, logStart]));
  source.resume(1, at);
  const ends = new Map<number, number>();
  while (ends.size < 3) {
    const { partition, from, next, logEnd, runs } = await batch(source);
    assertEquals(from, at.get(partition)!);
    let expected: number = from;
    for (const run of runs) {
      run.walk(from, (_bytes, _start, _end, number, recordTime) => {
        assertEquals(number, expected++);
        assert(recordTime <= clock.now());
      });
    }
    assertEquals(expected, next);
    at.set(partition, next);
    if (runs.length === 0) ends.set(partition, logEnd);
  }
  assertEquals(bounds.map(({ logEnd }) => logEnd), [0, 1, 2].map((p) => ends.get(p)!) as never);
  assertEquals((await source.poll(0)).kind, "timeout");

  clock.advance(60_000);
  const later = await batch(source);
  assert(later.next > later.from);
  assertEquals(later.next, later.logEnd);
});

Deno.test("createDemoSource() goes on from a position and ignores a stale resume", async () => {
  const clock = new ManualClock(ANCHOR + HOUR);
  const source = await opened(clock);
  source.resume(2, new Map([[partitionId(1), offset(5)]]));
  assertEquals((await source.poll(0)).kind, "timeout");
  source.resume(1, new Map([[partitionId(1), offset(500)]]));
  const { partition, from } = await batch(source);
  assertEquals([partition, from], [partitionId(1), offset(500)]);
});

Deno.test("createDemoSource() identifies its log by everything that makes it", async () => {
  const clock = new ManualClock(ANCHOR + HOUR);
  const id = async (rate: number) => (await (await opened(clock, rate)).identify()).topicId;
  assertEquals(await id(20), await id(20));
  assert(await id(20) !== await id(21));
});

Deno.test("createDemoSource() is one process's at a time, and says when that ends", async () => {
  const clock = new ManualClock(ANCHOR + HOUR);
  const holder: { owner: MemoryLease | null } = { owner: null };
  const source = await opened(clock, 20, holder);
  const other = createDemoSource({
    seed: 3,
    shards: 3,
    anchor: ANCHOR,
    clock,
    log: silentLog,
    lease: new MemoryLease(holder),
  });
  await other.open(new AbortController().signal);
  assertEquals((await other.poll(0)).kind, "unavailable");
  source.resume(1, new Map([[partitionId(0), offset(0)]]));
  holder.owner = null;
  clock.advance(2_000);
  await until("the loss is seen", async () => (await source.poll(0)).kind === "lost");
  assertEquals((await other.poll(0)).kind, "assigned");
  await source.close(1_000);
  await other.close(1_000);
  assertEquals(holder.owner, null);
});
