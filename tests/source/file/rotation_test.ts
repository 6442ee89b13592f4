// What happens to log files in the field beside plain rotation: each line counts once, or the stream stops by name.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { StreamStopped, UsageError } from "../../../src/shared/errors.ts";
import { events, FileRig, header, numbered, records } from "./rig.ts";

for (const restart of [false, true]) {
  const when = restart ? ", restarted in between" : "";

  Deno.test(`createFileSource() reads on where a longer copy was put in the file's place${when}`, async () => {
    await using rig = new FileRig();
    rig.write("master.log", numbered(0, 200));
    for (let round = 0; round < 3; round++) {
      await Deno.copyFile(rig.path("master.log"), rig.path(".access.log.new"));
      await Deno.rename(rig.path(".access.log.new"), rig.path());
      await rig.all();
      rig.append("master.log", numbered(200 + round * 100, 100));
      if (restart) await rig.restart();
    }
    assertEquals(rig.lines, records(0, 400));
  });

  Deno.test(`createFileSource() reads on in a rotated file for as long as it grows${when}`, async () => {
    await using rig = new FileRig();
    rig.write("access.log", numbered(0, 50));
    await rig.all();
    await Deno.rename(rig.path(), rig.path("access.log.1"));
    rig.write("access.log", numbered(50, 20));
    await rig.all();
    for (let i = 0; i < 6; i++) {
      rig.append("access.log.1", numbered(1_000 + i, 1));
      rig.append("access.log", numbered(70 + i, 1));
      for (let n = 0; n < 3; n++) await rig.all();
      if (restart) await rig.restart();
    }
    rig.clock.advance(60_000);
    assertEquals((await rig.all()).toSorted(), [...records(0, 76), ...records(1_000, 6)].toSorted());
  });

  Deno.test(`createFileSource() reads what was added to a rotated file before it was compressed${when}`, async () => {
    await using rig = new FileRig();
    rig.write("access.log", numbered(0, 50));
    await rig.all();
    await Deno.rename(rig.path(), rig.path("access.log.1"));
    rig.write("access.log", numbered(50, 20));
    await rig.all();
    if (restart) await rig.restart();
    rig.append("access.log.1", numbered(1_000, 3));
    rig.gzip("access.log.1");
    rig.append("access.log", numbered(70, 1));
    await rig.all();
    assertEquals((await rig.all()).toSorted(), [...records(0, 71), ...records(1_000, 3)].toSorted());
  });

  Deno.test(`createFileSource() tells files apart that begin with the same kilobyte${when}`, async () => {
    await using rig = new FileRig();
    for (let round = 0; round < 4; round++) {
      if (round > 1) {
        rig.gzip("access.log.1");
        await Deno.rename(rig.path("access.log.1.gz"), rig.path(`access.log.${6 - round}.gz`));
      }
      if (round > 0) await Deno.rename(rig.path(), rig.path("access.log.1"));
      rig.write("access.log", header(numbered(round * 100, 30 + round)));
      await rig.all();
      rig.append("access.log", numbered(round * 100 + 30 + round, 2));
      if (restart) await rig.restart();
      await rig.all();
    }
    assertEquals(events(rig.lines), [0, 1, 2, 3].flatMap((round) => records(round * 100, 32 + round)));
  });
}

Deno.test("createFileSource() counts what was added to a rotated file once where the file is read again after a crash", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 5));
  await rig.all();
  rig.append("access.log", numbered(5, 5));
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", numbered(20, 5));
  // Read to its end, and left, but not committed.
  await rig.drain();
  await rig.restart();
  rig.append("access.log.1", numbered(10, 5));
  for (let i = 0; i < 3; i++) await rig.all();
  assertEquals(rig.lines.toSorted(), [...records(0, 15), ...records(20, 5)].toSorted());
});

Deno.test("createFileSource() reads the middle one of two rotations whose first line is old", async () => {
  await using rig = new FileRig();
  rig.write("access.log.7", numbered(100, 5)); // from before the stream
  rig.write("access.log", numbered(1_000, 50));
  await rig.all();
  await rig.restart();
  await Deno.rename(rig.path("access.log.7"), rig.path("access.log.9"));
  await Deno.rename(rig.path(), rig.path("access.log.2"));
  rig.write("access.log.1", numbered(500, 1) + numbered(2_000, 50));
  rig.write("access.log", numbered(3_000, 50));
  assertEquals(await rig.all(), [
    ...records(1_000, 50),
    ...records(500, 1),
    ...records(2_000, 50),
    ...records(3_000, 50),
  ]);
});

Deno.test("createFileSource() reads new files by the order of their names where first lines are old", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 5));
  await rig.all();
  await rig.restart();
  await Deno.rename(rig.path(), rig.path("access.log.4"));
  rig.write("access.log.3", numbered(1_000, 2));
  rig.write("access.log.2", numbered(10, 1) + numbered(2_000, 2));
  rig.write("access.log.1", numbered(11, 1) + numbered(3_000, 2));
  rig.write("access.log", numbered(4_000, 2));
  const order = (await rig.all()).map((line) => Math.floor(Number(/\d+/.exec(line)![0]) / 1_000));
  assertEquals(order.slice(5), [1, 1, 0, 2, 2, 0, 3, 3, 4, 4]);
});

for (
  const [what, edit] of [
    ["cut in the middle", (text: string) => text.slice(0, numbered(0, 200).length) + numbered(300, 1)],
    ["its first lines removed", (text: string) => text.split("\n").slice(30).join("\n") + numbered(300, 3)],
    [
      "a line in the middle removed",
      (text: string) => text.split("\n").toSpliced(150, 1).join("\n") + numbered(300, 3),
    ],
  ] as const
) {
  for (const restart of [false, true]) {
    Deno.test(`createFileSource() stops at a file with ${what}${restart ? ", restarted" : ""}`, async () => {
      await using rig = new FileRig();
      rig.write("access.log", numbered(0, 300));
      await rig.all();
      if (restart) await rig.restart();
      rig.write("sed.tmp", edit(numbered(0, 300)));
      await Deno.rename(rig.path("sed.tmp"), rig.path());
      if (restart) {
        const source = await rig.source();
        await source.poll(0);
        const { logStart } = (await source.identify()).partitions[0]!;
        assert(logStart > rig.committed!, "what follows is not the committed position's file");
        return;
      }
      const error = await assertRejects(() => rig.drain(), StreamStopped);
      assertEquals(error.code, "data_gap");
      assertStringIncludes(error.message, "has been changed");
      assertEquals(rig.pending, []);
    });
  }
}

Deno.test("createFileSource() reads a file of the same name that begins later, after the old one was removed", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 300));
  await rig.all();
  await Deno.remove(rig.path());
  rig.write("access.log", numbered(300, 40));
  assertEquals(await rig.all(), records(0, 340));
});

Deno.test("createFileSource() sees a rotation and dates lines although the clock was set back", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 5));
  await rig.all();
  rig.clock.advance(-600_000);
  rig.append("access.log", numbered(5, 5));
  const from = rig.seen.length;
  await rig.step();
  await rig.step();
  const times: number[] = [];
  for (const event of rig.seen.slice(from)) {
    if (event.kind !== "batch") continue;
    for (const run of event.batch.runs) {
      run.walk(event.batch.from, (_bytes, _start, _end, _at, time) => times.push(time));
    }
  }
  assertEquals(times.length, 5);
  const written = (await Deno.stat(rig.path())).mtime!.getTime();
  assert(times.every((time) => time >= written), "a line is not younger than its file");
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", numbered(10, 5));
  assertEquals(await rig.all(), records(0, 15));
});

Deno.test("createFileSource() leaves a half-written last line for the next run, and takes it where it may", async () => {
  await using rig = new FileRig({ follow: false });
  rig.write("access.log", "a t=1\nb t=2\nhalf");
  assertEquals(await rig.all(), ["a t=1", "b t=2"]);
  await rig.restart();
  rig.append("access.log", " t=3\nd t=4\n");
  assertEquals(await rig.all(), ["a t=1", "b t=2", "half t=3", "d t=4"]);
});

Deno.test("createFileSource() stores nothing before a stream has taken a position", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 5));
  assertEquals((await rig.step()).kind, "assigned");
  assertEquals(await rig.generations.load(), []);
  assertEquals(await rig.all(), records(0, 5));
  assertEquals((await rig.generations.load()).map(({ generation }) => generation).toSorted(), [0, 1]);
});

Deno.test("createFileSource() looks once more when it leaves, so that what is rotated away meanwhile is missed", async () => {
  await using rig = new FileRig();
  rig.write("access.log", "");
  assertEquals((await rig.step()).kind, "assigned");
  await rig.step();
  // No time passes: the next scan is not due.
  const text = numbered(0, 5);
  rig.write("access.log", text);
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", "");
  await rig.restart();
  const rows = await rig.generations.load();
  assertEquals(rows.map(({ generation, fingerprintBytes }) => [generation, fingerprintBytes]), [[0, 0], [
    1,
    text.length,
  ]]);
});

Deno.test("createFileSource() goes on where an earlier release numbered the file of a refused run", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 5));
  await rig.all();
  await rig.restart();
  const [row] = (await rig.generations.load()).filter(({ generation }) => generation === 1);
  await rig.generations.save({
    ...row!,
    generation: 2,
    content: 2,
    path: rig.path("tuesday.log"),
    fingerprint: "0".repeat(64),
    sizeSeen: 0,
    finished: false,
    proof: null,
  });
  rig.append("access.log", numbered(5, 2));
  assertEquals(await rig.all(), records(0, 7));
});

Deno.test("createFileSource() reads Zstandard, and names what it cannot read", async () => {
  await using rig = new FileRig({ path: "access.log.zst", follow: false });
  rig.write("access.log.zst", new Uint8Array(zstdCompressSync(numbered(0, 3_000))));
  assertEquals(await rig.all(), records(0, 3_000));

  for (
    const [name, magic] of [["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]], ["bzip2", [
      0x42,
      0x5a,
      0x68,
      0x39,
      0x31,
      0x41,
    ]]] as const
  ) {
    await using other = new FileRig({ follow: false });
    other.write("access.log", new Uint8Array([...magic, 1, 2, 3]));
    const error = await assertRejects(() => other.drain(), StreamStopped);
    assertStringIncludes(error.message, name);
    assertStringIncludes(error.action, `${name} -dk`);
  }
});

Deno.test("createFileSource() names a folder and a device", async () => {
  await using rig = new FileRig({ follow: false });
  await Deno.mkdir(rig.path());
  await assertRejects(() => rig.source(), UsageError, "is a folder");
  await using device = new FileRig();
  await Deno.symlink("/dev/null", device.path());
  await assertRejects(() => device.source(), UsageError, "device");
});

Deno.test("createFileSource() goes on in gzip made from the file while it was down", async () => {
  await using rig = new FileRig();
  rig.write("access.log", header(numbered(0, 10)));
  await rig.all();
  await rig.restart();
  rig.write("access.log.1.gz", gzipSync(header(numbered(0, 20))));
  rig.write("access.log", header(numbered(20, 5)));
  assertEquals(events(await rig.all()), records(0, 25));
});
