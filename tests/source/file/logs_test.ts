// Several logs at once: each is a partition with a number that it keeps, read by event time, beside the others and in spite of them.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { StreamStopped, Unavailable, UsageError } from "../../../src/shared/errors.ts";
import { Catalog } from "../../../src/source/file/catalog.ts";
import { disk } from "../../../src/source/file/file_system.ts";
import { FileRig, numbered, records } from "./rig.ts";

const names = (rig: FileRig) =>
  rig.logs.stored.map(({ name, partition }) => [partition, name.slice(rig.folder.length + 1)]);
const sorted = (lines: readonly string[]) =>
  lines.toSorted((a, b) => Number(a.split(" ")[1]) - Number(b.split(" ")[1]));

for (const path of ["*.log*", "a.log,b.log"]) {
  Deno.test(`createFileSource() reads two live logs of ${path}, each with rotations of its own`, async () => {
    await using rig = new FileRig({ path });
    rig.write("a.log", numbered(0, 20));
    rig.write("b.log", numbered(100, 20));
    await rig.all();
    assertEquals(names(rig), [[0, "a.log"], [1, "b.log"]]);
    for (let round = 1; round < 4; round++) {
      rig.append("a.log", numbered(20 * round, 20));
      rig.append("b.log", numbered(100 + 20 * round, 20));
      await Deno.rename(rig.path("b.log"), rig.path(`b.log.${10 - round}`));
      rig.write("b.log", "");
      if (round === 2) await rig.restart();
      await rig.all();
    }
    assertEquals(sorted(rig.lines), [...records(0, 80), ...records(100, 80)]);
    assertEquals(names(rig), [[0, "a.log"], [1, "b.log"]]);
  });
}

Deno.test("createFileSource() reads the log with the lowest event time first", async () => {
  await using rig = new FileRig({ path: "*.log", follow: false });
  // Two megabytes each, b a little later than the first half of a.
  rig.write("a.log", numbered(0, 80_000));
  rig.write("b.log", numbered(40_000, 80_000));
  await rig.all();
  const turns = rig.batches.map(({ partition }) => partition).join("");
  assert(/^00+1/.test(turns) && /(01|10)+/.test(turns) && /1$/.test(turns), turns);
  assertEquals(rig.lines.length, 160_000);
});

Deno.test("createFileSource() takes logs in that appear while it runs, and keeps their numbers", async () => {
  await using rig = new FileRig({ path: "*.log*" });
  rig.write("m.log", numbered(0, 5));
  await rig.all();
  rig.write("a.log", numbered(100, 5));
  rig.write("a.log.1", numbered(50, 5));
  rig.clock.advance(6_000);
  await rig.all();
  assertEquals(names(rig), [[0, "m.log"], [1, "a.log"]]);
  await rig.restart();
  rig.write("0.log", numbered(200, 5));
  rig.append("a.log", numbered(105, 5));
  await rig.all();
  assertEquals(names(rig), [[0, "m.log"], [1, "a.log"], [2, "0.log"]]);
  assertEquals(sorted(rig.lines), [...records(0, 5), ...records(50, 5), ...records(100, 10), ...records(200, 5)]);
});

Deno.test("createFileSource() names the host of a log by {host} in its path", async () => {
  await using rig = new FileRig({ path: "{host}.access.log*" });
  rig.write("a.example.access.log", numbered(10, 3));
  rig.write("a.example.access.log.1", numbered(0, 3));
  rig.write("b.example.access.log", numbered(20, 3));
  await rig.all();
  assertEquals(
    new Set(rig.batches.map(({ partition, host }) => `${partition} ${host}`)),
    new Set(["0 a.example", "1 b.example"]),
  );
});

Deno.test("createFileSource() forgets no log: a removed one that was read to its end falls silent", async () => {
  await using rig = new FileRig({ path: "*.log" });
  rig.write("a.log", numbered(0, 5));
  rig.write("b.log", numbered(100, 5));
  await rig.all();
  await Deno.remove(rig.path("b.log"));
  await rig.all();
  await rig.restart();
  rig.append("a.log", numbered(5, 5));
  assertEquals(sorted(await rig.all()), [...records(0, 10), ...records(100, 5)]);
  rig.write("b.log", numbered(200, 5));
  assertEquals(sorted(await rig.all()), [...records(0, 10), ...records(100, 5), ...records(200, 5)]);
});

Deno.test("createFileSource() stops where one of several logs is gone unread for long", async () => {
  await using rig = new FileRig({ path: "*.log" });
  rig.write("a.log", numbered(0, 5));
  rig.write("b.log", numbered(100, 60_000));
  const bytes = async () => (await rig.step()).kind === "batch";
  while (!await bytes() || rig.pending.length < 1_000);
  rig.commit();
  await rig.restart();
  await rig.step();
  await Deno.remove(rig.path("b.log"));
  await rig.restart();
  const source = await rig.source();
  await source.poll(0);
  rig.clock.advance(1);
  await assertRejects(() => source.identify(), Unavailable, "b.log is not there");
  rig.clock.advance(31_000);
  assert((await source.identify()).partitions[1]!.logStart > 0);
});

Deno.test("createFileSource() knows a log under a relative path, an absolute one and a link", async () => {
  await using rig = new FileRig({ path: "real/access.log" });
  await Deno.mkdir(rig.path("real"));
  rig.write("real/access.log", numbered(0, 5));
  rig.write("real/access.log.1", numbered(0, 5));
  await Deno.symlink(rig.path("real"), rig.path("link"));
  await Deno.symlink(rig.path("real/access.log"), rig.path("access"));
  await rig.all();
  const [log] = rig.logs.stored;
  assertEquals(log!.name, await Deno.realPath(rig.path("real/access.log")));
  for (const path of ["link/access.log", "access", "real/*.log", "link/*.log", "x.log,real/access.log"]) {
    const catalog = new Catalog(path.split(",").map((part) => rig.path(part)), disk, () => {});
    assertEquals(await catalog.covers(log!), true, path);
    assertEquals((await catalog.find([log!])).some(({ name }) => name === log!.name), true, path);
  }
  for (const path of ["real/tuesday.log", "real/access.log.1", "access.log"]) {
    assertEquals(await new Catalog([rig.path(path)], disk, () => {}).covers(log!), false, path);
  }
});

Deno.test("createFileSource() reads a file once that has two names in a pattern", async () => {
  await using rig = new FileRig({ path: "*.log" });
  rig.write("access-2026-01-05.log", numbered(0, 5));
  await Deno.symlink(rig.path("access-2026-01-05.log"), rig.path("current.log"));
  assertEquals(await rig.all(), records(0, 5));
  rig.write("access-2026-01-06.log", numbered(5, 5));
  await Deno.remove(rig.path("current.log"));
  await Deno.symlink(rig.path("access-2026-01-06.log"), rig.path("current.log"));
  assertEquals(await rig.all(), records(0, 10));
  assertEquals(names(rig), [[0, "access.log"]]);
});

Deno.test("createFileSource() goes on with all logs of a stream of an earlier release as its one partition", async () => {
  await using rig = new FileRig({ path: "*.log" });
  rig.write("a.log", numbered(0, 5));
  rig.write("b.log", numbered(5, 5));
  await rig.all();
  await rig.restart();
  // As the earlier release stored it: both files are generations of partition 0, and no log has a name.
  const [b] = (await rig.logs.generations(1 as never).load()).filter(({ generation }) => generation === 1);
  await rig.generations.save({ ...b!, generation: 2, content: 2 });
  rig.logs.stored.length = 0;
  const source = await rig.source();
  await source.poll(0);
  const { partitions } = await source.identify();
  assertEquals(partitions.map(({ logs }) => logs!.map(({ name }) => name.slice(rig.folder.length + 1))), [[
    "a.log",
    "b.log",
  ]]);
});

Deno.test("createFileSource() refuses a list of which one file is absent, by that file's name", async () => {
  await using rig = new FileRig({ path: "a.log,b.log", follow: false });
  rig.write("a.log", numbered(0, 5));
  await assertRejects(() => rig.source(), UsageError, "b.log");
  await using none = new FileRig({ path: "*.log", follow: false });
  await assertRejects(() => none.source(), UsageError, "*.log");
});

Deno.test("createFileSource() waits for the first log of a pattern", async () => {
  await using rig = new FileRig({ path: "*.log" });
  assertEquals((await rig.step()).kind, "unavailable");
  rig.write("a.log", numbered(0, 5));
  assertEquals(await rig.all(), records(0, 5));
  assert(rig.seen.every((event) => event.kind !== "stopped" || !(event.error instanceof StreamStopped)));
});
