// The way of a fetched part into the queue: what is not in its place goes no further. A member that only notes what it should do.
import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { silentLog } from "../../../src/shared/log.ts";
import { type EpochMs, offset, partitionId } from "../../../src/shared/units.ts";
import { Assignment } from "../../../src/source/assignment.ts";
import { type FetchResult, OFFSET_OUT_OF_RANGE } from "../../../src/source/kafka/fetch_hook.ts";
import { KafkaIntake, type Sent } from "../../../src/source/kafka/intake.ts";
import { FetchPatience } from "../../../src/source/kafka/patience.ts";
import { KafkaQueue } from "../../../src/source/kafka/queue.ts";
import { encodeBatch } from "../../support/kafka_record_batch.ts";
import { ManualClock } from "../file/rig.ts";

const P0 = partitionId(0);

function rig(from: number, bounds: { readonly logStart: number; readonly logEnd: number }) {
  const clock = new ManualClock(1_000), queue = new KafkaQueue(), assignment = new Assignment();
  const told: string[] = [], stops: string[] = [], given = { up: 0 };
  const generation = assignment.assign([P0]);
  assignment.resume(generation, new Map([[P0, offset(from)]]));
  const intake = new KafkaIntake({
    topic: "t",
    clock,
    log: silentLog,
    checkCrcs: true,
    assignment,
    queue,
    patience: new FetchPatience(1_000, 250),
    ended: new AbortController().signal,
    member: () => ({
      flow: (positions) => told.push(`flow ${[...positions]}`),
      pause: (partitions) => told.push(`pause ${partitions}`),
      seek: (partition, position) => told.push(`seek ${partition} ${position}`),
    }),
    identify: () =>
      Promise.resolve({
        topicId: null,
        partitions: [{ partition: P0, logStart: offset(bounds.logStart), logEnd: offset(bounds.logEnd) }],
      }),
    stop: (error) => stops.push(error.code),
  });
  const fetched = async (over: Partial<FetchResult<Sent>>) => {
    const result = {
      partition: 0,
      from,
      errorCode: 0,
      logStart: bounds.logStart,
      logEnd: bounds.logEnd,
      lastStable: bounds.logEnd,
      records: Buffer.alloc(0),
      aborted: [],
      done: () => given.up++,
      sent: { ticket: assignment.ticket(P0), at: 1_000 as EpochMs },
      ...over,
    } as unknown as FetchResult<Sent>;
    await intake.fetched(result, { advance: () => {}, alive: () => Promise.resolve() });
  };
  return { fetched, queue, told, stops, clock, given, assignment };
}

const batch = (baseOffset: number) => encodeBatch({ baseOffset, records: [{ value: "a" }, { value: "b" }] });
/** Lets what was begun without being awaited come to its end: it waits for promises that are there. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("fetched() takes records that begin at the position, and those after a hole that compaction left", async () => {
  for (const first of [5, 7]) {
    const { fetched, queue, told, stops } = rig(5, { logStart: 3, logEnd: 20 });
    await fetched({ records: Buffer.from(batch(first)) });
    const head = queue.head();
    assertEquals([head?.kind, told, stops], ["waiting", [], []]);
    assertEquals(head?.kind === "waiting" && head.reader.firstOffset, first);
  }
});

Deno.test("fetched() finds records that were deleted under our feet, although the broker answers without an error", async () => {
  const { fetched, queue, told, stops } = rig(5, { logStart: 7, logEnd: 20 });
  await fetched({ records: Buffer.from(batch(7)) });
  await settled();
  assertEquals([queue.head(), told, stops], [undefined, ["pause 0"], ["data_gap"]]);
});

Deno.test("fetched() asks again where a position is refused that the log holds, and stops where it does not", async () => {
  const held = rig(5, { logStart: 3, logEnd: 20 });
  await held.fetched({ errorCode: OFFSET_OUT_OF_RANGE });
  await held.clock.sleeping();
  assertEquals(held.told, ["pause 0"]);
  held.clock.advance(1_000);
  await settled();
  assertEquals([held.told, held.stops], [["pause 0", "flow 0,5"], []]);
  const beyond = rig(5, { logStart: 0, logEnd: 4 });
  await beyond.fetched({ errorCode: OFFSET_OUT_OF_RANGE });
  await settled();
  assertEquals(beyond.stops, ["position_beyond_end"]);
});

Deno.test("fetched() leaves out what was asked for before, and seeks where the client is elsewhere", async () => {
  const { fetched, queue, told } = rig(5, { logStart: 0, logEnd: 20 });
  await fetched({ records: Buffer.from(batch(5)), sent: { ticket: null, at: 1_000 as EpochMs } });
  assertEquals(queue.head(), undefined);
  await fetched({ from: 9, records: Buffer.from(batch(9)) });
  assertEquals([queue.head(), told], [undefined, ["seek 0 5"]]);
});

Deno.test("fetched() looks into no position that was refused under an older ticket: it would pause the partition", async () => {
  const { fetched, queue, told, stops, assignment } = rig(5, { logStart: 7, logEnd: 20 });
  const older = { ticket: assignment.ticket(P0), at: 1_000 as EpochMs };
  assignment.resume(assignment.assign([P0]), new Map([[P0, offset(7)]]));
  await fetched({ errorCode: OFFSET_OUT_OF_RANGE, sent: older });
  await fetched({ records: Buffer.from(batch(7)), sent: older });
  await settled();
  assertEquals([queue.head(), told, stops], [undefined, [], []]);
});

Deno.test("fetched() gives up at once what goes no further, and leaves what waits to the source", async () => {
  const { fetched, given } = rig(10, { logStart: 0, logEnd: 12 });
  await fetched({ from: 3, records: batch(3) }); // from another place
  assertEquals(given.up, 1);
  await fetched({});
  assertEquals(given.up, 2, "nothing new");
  await fetched({ records: batch(10) });
  assertEquals(given.up, 2);
});

Deno.test("fetched() passes an empty answer on if it is new, every two seconds, and after the clock was set back", async () => {
  const { fetched, queue, assignment } = rig(5, { logStart: 3, logEnd: 5 });
  const answers = [
    { at: 1_000, logEnd: 5, passed: true },
    { at: 2_999, logEnd: 5, passed: false },
    { at: 3_000, logEnd: 5, passed: true },
    { at: 3_100, logEnd: 9, passed: true },
    { at: 3_200, logEnd: 9, passed: false },
    { at: 2_000, logEnd: 9, passed: true },
  ];
  for (const { at, logEnd, passed } of answers) {
    await fetched({ sent: { ticket: assignment.ticket(P0), at: at as EpochMs }, logEnd, lastStable: logEnd });
    assertEquals(queue.head() !== undefined, passed, `at ${at}`);
    queue.drop();
  }
});
