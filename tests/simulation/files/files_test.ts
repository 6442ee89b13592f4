// The real file source over a model of a file system: one seed is one history. FILES_SEEDS and FILES_FROM override how many and from where.
import { assertEquals, assertGreater } from "@std/assert";
import { AMID, playFiles } from "./history.ts";

const COUNT = Number(Deno.env.get("FILES_SEEDS") ?? 2_000);
const FROM = Number(Deno.env.get("FILES_FROM") ?? 1);

Deno.test(`playFiles() counts each line once, or stops by name, over ${COUNT} seeds from ${FROM}`, async () => {
  const acts: Record<string, number> = {};
  let lines = 0, stopped = 0;
  for (let seed = FROM; seed < FROM + COUNT; seed++) {
    const played = await playFiles(seed);
    if (played.violations.length > 0) {
      throw new Error(
        `Seed ${seed}: ${
          played.violations.slice(0, 3).join("; ")
        }\nAgain: FILES_FROM=${seed} FILES_SEEDS=1 deno test -A tests/simulation/files`,
      );
    }
    for (const [act, times] of Object.entries(played.acts)) acts[act] = (acts[act] ?? 0) + times;
    lines += played.lines;
    if (played.stopped !== null) stopped++;
  }
  // A few histories, played again to look at them, need not hold every act.
  if (COUNT < 100) return;
  // Histories in which nothing happens find nothing, nor do those that end at once.
  const kinds = [
    "rename",
    "dated",
    "copytruncate",
    "compress",
    "replace",
    "backup",
    "edit",
    "empty",
    "crash",
    "down",
    "jump",
  ];
  for (const act of kinds) assertGreater(acts[act] ?? 0, COUNT / 20, act);
  for (const act of ["accept", ...AMID.map((act) => `amid: ${act}`)]) assertGreater(acts[act] ?? 0, COUNT / 100, act);
  assertGreater(lines, COUNT * 30);
  assertGreater(COUNT / 3, stopped);
});

Deno.test("playFiles() is deterministic", async () => {
  for (const seed of [1, 2, 3]) assertEquals(await playFiles(seed), await playFiles(seed));
});
