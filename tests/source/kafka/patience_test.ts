// How long a broker may hold a fetch: what the engine allows, what a partition has left, and how the bytes were spread.
import { assertEquals } from "@std/assert";
import { epochMs, offset, partitionId } from "../../../src/shared/units.ts";
import { FetchPatience, GATHER_MS_MAX } from "../../../src/source/kafka/patience.ts";

const MIB = 1024 * 1024, NOW = epochMs(1_000_000);
const ALL = [0, 1, 2, 3].map(partitionId), [P0, P1, P2] = ALL;
const QUICK = { minBytes: 1, maxWaitMs: 250 };

/** Each partition brought so many bytes, and was read to its end. */
function patience(bytes: readonly number[], until: number, bytesPerPartition = MIB): FetchPatience {
  const made = new FetchPatience(bytesPerPartition, 250);
  made.gatherBy(() => epochMs(until));
  bytes.forEach((size, i) => made.saw(ALL[i]!, { bytes: size, next: offset(10), lastStable: offset(10) }));
  return made;
}

Deno.test("terms() lets records gather until the engine's time, within a second", () => {
  const even = [100, 100, 100, 100];
  assertEquals(patience(even, NOW + 400).terms(ALL, NOW), { minBytes: 3 * MIB, maxWaitMs: 400 });
  assertEquals(patience(even, NOW + 9_000).terms(ALL, NOW), { minBytes: 3 * MIB, maxWaitMs: GATHER_MS_MAX });
  assertEquals(patience(even, NOW + 20).terms(ALL, NOW), QUICK);
  assertEquals(patience(even, NOW - 5_000).terms(ALL, NOW), QUICK);
});

Deno.test("terms() are quick before the engine has said anything, and for a partition that has brought nothing yet", () => {
  assertEquals(new FetchPatience(MIB, 250).terms([P0!], NOW), QUICK);
  assertEquals(patience([100, 100], NOW + 400).terms(ALL, NOW), QUICK);
});

Deno.test("terms() are quick while a partition was not read to its end, of what can be read", () => {
  const one = patience([100, 100, 100, 100], NOW + 400);
  one.saw(P2!, { bytes: MIB, next: offset(10), lastStable: offset(11) });
  assertEquals(one.terms(ALL, NOW), QUICK);
  assertEquals(one.terms([P0!, P1!], NOW).maxWaitMs, 400, "a broker of other partitions does not wait for it");
  one.saw(P2!, { bytes: 100, next: offset(11), lastStable: offset(11) });
  assertEquals(one.terms(ALL, NOW).maxWaitMs, 400);
});

Deno.test("terms() ask for no more bytes than the busiest partition may bring, else each answer would take the whole wait", () => {
  assertEquals(patience([900, 0, 0, 0], NOW + 400).terms(ALL, NOW).minBytes, 0.75 * MIB);
  assertEquals(patience([200, 100, 100, 0], NOW + 400).terms(ALL, NOW).minBytes, 1.5 * MIB);
  assertEquals(patience([0, 0, 0, 0], NOW + 400).terms(ALL, NOW).minBytes, 0.75 * MIB);
  assertEquals(
    patience([1, 1, 1, 1], NOW + 400, 8 * MIB).terms(ALL, NOW).minBytes,
    4 * MIB,
    "what is held at once is bounded",
  );
  assertEquals(patience([1], NOW + 400, 4096).terms([P0!], NOW).minBytes, 3072);
});
