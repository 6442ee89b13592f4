import { assertEquals } from "@std/assert";
import { type EpochMs, NEVER, type Offset, type PartitionId } from "../../src/shared/units.ts";
import type { Source, SourceEvent } from "../../src/source/port.ts";
import { renewable } from "../../src/source/renewable_source.ts";

const P0 = 0 as PartitionId;

/** A source that plays a list of events and notes what is asked of it. */
function scripted(events: SourceEvent[], calls: string[], name: string): Source {
  return {
    kind: "kafka",
    open: () => Promise.resolve(void calls.push(`${name} open`)),
    identify: () => Promise.resolve({ topicId: name, partitions: [] }),
    poll: () => Promise.resolve(events.shift() ?? { kind: "timeout" }),
    resume: (generation) => void calls.push(`${name} resume ${generation}`),
    confirmedAt: () => NEVER,
    identityCheckedAt: () => NEVER,
    publish: () => Promise.resolve(),
    close: () => Promise.resolve(void calls.push(`${name} close`)),
  };
}

Deno.test("renewable() drops what the old source still had to say, and counts generations on", async () => {
  const calls: string[] = [];
  const assigned = (generation: number): SourceEvent => ({ kind: "assigned", generation, partitions: [P0] });
  const stale: SourceEvent = { kind: "lost", generation: 2, reason: "stale" };
  const source = renewable(
    scripted([assigned(1), assigned(2), stale], calls, "a"),
    () => Promise.resolve(scripted([assigned(1)], calls, "b")),
  );
  await source.open(new AbortController().signal);
  assertEquals([await source.poll(0), await source.poll(0)], [assigned(1), assigned(2)]);
  source.resume(2, new Map([[P0, 0 as Offset]]));
  source.renew();
  // Positions for the assignment that ended must not reach its successor.
  source.resume(2, new Map([[P0, 0 as Offset]]));
  assertEquals(await source.poll(0), assigned(3));
  source.resume(2, new Map());
  source.resume(3, new Map());
  assertEquals((await source.identify()).topicId, "b");
  assertEquals(calls, ["a open", "a resume 2", "a close", "b open", "b resume 0", "b resume 1"]);
});

Deno.test("renewable() tells each of its sources until when records may gather", async () => {
  const told: string[] = [];
  const source = (name: string): Source => ({
    ...scripted([], [], name),
    gatherBy: (until) => void told.push(`${name} ${until()}`),
  });
  const both = renewable(source("a"), () => Promise.resolve(source("b")));
  both.gatherBy!(() => 7 as EpochMs);
  both.renew();
  await both.poll(0);
  assertEquals(told, ["a 7", "b 7"]);
});
