// Copies, edited and emptied files, and rotations while they are looked at: each line counts once, or the stream stops by name.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { StreamStopped, Unavailable } from "../../../src/shared/errors.ts";
import { disk, type FileSystem } from "../../../src/source/file/file_system.ts";
import { events, FileRig, header, numbered, records } from "./rig.ts";

/** How a run over `rig` ends: the code of its stop, or all lines that were counted. */
async function outcome(rig: FileRig): Promise<string[] | string> {
  try {
    return await rig.all();
  } catch (error) {
    if (error instanceof StreamStopped) return error.code;
    throw error;
  }
}

for (const restart of [false, true]) {
  const when = restart ? ", restarted in between" : "";

  Deno.test(`createFileSource() counts nothing of a copy that is being made${when}`, async () => {
    await using rig = new FileRig();
    rig.write("access.log", numbered(0, 300));
    await rig.all();
    for (const lines of [100, 200, 300]) {
      rig.write("access.log.1", `${numbered(0, lines)}line ${lines} t=`);
      await rig.all();
      if (restart) await rig.restart();
    }
    rig.append("access.log", numbered(300, 2));
    rig.copyTruncate("access.log", "access.log.1");
    rig.append("access.log", numbered(302, 3));
    assertEquals(await rig.all(), records(0, 305));
  });

  Deno.test(`createFileSource() counts a copy once that the live file outgrew and that outlives it${when}`, async () => {
    await using rig = new FileRig({ path: "access.log*" });
    rig.write("access.log", numbered(0, 50));
    await rig.all();
    await Deno.copyFile(rig.path(), rig.path("access.log.bak"));
    rig.append("access.log", numbered(50, 50));
    await rig.all();
    if (restart) await rig.restart();
    await Deno.rename(rig.path(), rig.path("access.log.1"));
    rig.write("access.log", numbered(100, 5));
    await rig.all();
    await Deno.remove(rig.path("access.log.1"));
    if (restart) await rig.restart();
    rig.append("access.log", numbered(105, 1));
    assertEquals(await rig.all(), records(0, 106));
    // Written to on its own it is a file of the log from there on.
    rig.append("access.log.bak", numbered(1_000, 2));
    assertEquals((await rig.all()).toSorted(), [...records(0, 106), ...records(1_000, 2)].toSorted());
  });

  for (
    const [what, edit] of [
      ["one line", (text: string) => `${text.split("\n")[0]}\n`],
      ["its last line", (text: string) => `${text.split("\n").at(-2)}\n`],
    ] as const
  ) {
    Deno.test(`createFileSource() stops at a file that was edited down to ${what}${when}`, async () => {
      await using rig = new FileRig();
      rig.write("access.log", numbered(0, 20));
      await rig.all();
      if (restart) await rig.restart();
      rig.write("sed.tmp", edit(numbered(0, 20)));
      await Deno.rename(rig.path("sed.tmp"), rig.path());
      if (!restart) assertEquals(await outcome(rig), "data_gap");
      else {
        const source = await rig.source();
        await source.poll(0);
        await assertRejects(() => source.identify(), Error, "is not there");
        rig.clock.advance(11_000);
        const { logStart } = (await source.identify()).partitions[0]!;
        assert(logStart > rig.committed!, "what follows is not the committed position's file");
      }
      assertEquals(rig.lines, records(0, 20));
    });
  }

  Deno.test(`createFileSource() stops at a file that was edited beside its backup${when}`, async () => {
    await using rig = new FileRig({ path: "access.log*" });
    rig.write("access.log", numbered(0, 20));
    await rig.all();
    if (restart) await rig.restart();
    await Deno.rename(rig.path(), rig.path("access.log.bak"));
    rig.write("access.log", numbered(5, 15));
    assertEquals(await outcome(rig), "data_gap");
    assertEquals(rig.lines, records(0, 20));
  });

  Deno.test(`createFileSource() counts both of two files that hold the same comments alone at first${when}`, async () => {
    await using rig = new FileRig({ path: "access.log*" });
    rig.write("access.log.1", header(""));
    rig.write("access.log", header(""));
    await rig.all();
    if (restart) await rig.restart();
    rig.append("access.log", numbered(100, 2));
    await rig.all();
    rig.append("access.log.1", numbered(0, 2));
    assertEquals(events(await rig.all()).toSorted(), [...records(0, 2), ...records(100, 2)].toSorted());
  });

  Deno.test(`createFileSource() stops where a file with lines that were seen was emptied${when}`, async () => {
    await using rig = new FileRig({ path: "access.log*" });
    rig.write("access.log", numbered(0, 20));
    await rig.all();
    await Deno.copyFile(rig.path(), rig.path("access.log.bak"));
    await rig.all();
    rig.append("access.log", numbered(20, 5));
    // Looked at, and not read.
    await (await rig.source()).identify();
    if (restart) await rig.restart();
    await Deno.truncate(rig.path());
    rig.append("access.log", numbered(25, 3));
    if (restart) await assertRejects(() => rig.all(), Error);
    else assertEquals(await outcome(rig), "data_gap");
  });
}

Deno.test("createFileSource() reads all of several gzip'd rotations that begin with the same comments", async () => {
  await using rig = new FileRig();
  rig.write("access.log", header(numbered(0, 5)));
  await rig.all();
  await rig.restart();
  await Deno.remove(rig.path());
  for (const [name, first] of [["access.log.3", 0], ["access.log.2", 10], ["access.log.1", 20]] as const) {
    rig.write(name, header(numbered(first, 10)));
    rig.gzip(name);
  }
  rig.write("access.log", header(numbered(30, 10)));
  assertEquals(events(await rig.all()), records(0, 40));
});

Deno.test("createFileSource() leaves the file alone that a rotation puts under the name it was to open", async () => {
  await using rig = new FileRig({ path: "access.log*" });
  rig.write("access.log.1", header(numbered(0, 5)));
  rig.write("access.log", header(numbered(100, 5)));
  await rig.step();
  await Deno.rename(rig.path("access.log.1"), rig.path("access.log.2"));
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", header(numbered(200, 5)));
  assertEquals(events(await rig.all()), [...records(0, 5), ...records(100, 5), ...records(200, 5)]);
});

Deno.test("createFileSource() waits for a file that is away for a moment", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 10));
  await rig.all();
  await rig.restart();
  rig.append("access.log", numbered(10, 3));
  await rig.step();
  await Deno.rename(rig.path(), rig.path("elsewhere"));
  for (let i = 0; i < 5; i++) assert((await rig.step()).kind !== "stopped");
  assertEquals(rig.seen.at(-1)?.kind, "unavailable");
  await Deno.rename(rig.path("elsewhere"), rig.path());
  assertEquals(await rig.all(), records(0, 13));
});

Deno.test("createFileSource() leaves rotated files from before the stream alone, also when they grow", async () => {
  await using rig = new FileRig();
  rig.write("access.log.1", numbered(0, 10));
  rig.write("access.log", numbered(100, 10));
  await rig.all();
  rig.append("access.log.1", numbered(10, 3));
  rig.append("access.log", numbered(110, 1));
  for (let i = 0; i < 3; i++) await rig.all();
  assertEquals(rig.lines, records(100, 11));
});

Deno.test("createFileSource() says that the log is whole while a removed file is open", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 10));
  await rig.all();
  await Deno.remove(rig.path());
  rig.write("access.log", numbered(10, 5));
  const { logStart, logEnd } = (await (await rig.source()).identify()).partitions[0]!;
  assert(logStart <= rig.committed! && rig.committed! < logEnd);
  assertEquals(await rig.all(), records(0, 15));
});

Deno.test("createFileSource() does not go on in a copy that is shorter than what was read before a crash", async () => {
  await using rig = new FileRig({ path: "access.log*" });
  rig.write("access.log", numbered(0, 10));
  await rig.all();
  const [row] = (await rig.generations.load()).filter(({ generation }) => generation === 1);
  await Deno.copyFile(rig.path(), rig.path("access.log.bak"));
  rig.append("access.log", numbered(10, 10));
  await rig.all();
  await rig.restart();
  // What the process knew last was not stored.
  await rig.generations.save(row!);
  rig.write("access.log", numbered(30, 5));
  assertEquals(await outcome(rig), "data_gap");
});

Deno.test("createFileSource() stores what was read once reading rests", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 10));
  for (let i = 0; i < 3; i++) await rig.step();
  rig.append("access.log", numbered(10, 1));
  await rig.drain();
  assertEquals(rig.pending, records(0, 11));
  const { proof, lastTime } = (await rig.generations.load()).find(({ generation }) => generation === 1)!;
  assertEquals([proof?.to, lastTime], [numbered(0, 11).length, 1_000_010]);
});

Deno.test("createFileSource() stops where lines that a leaving process saw are gone", async () => {
  await using rig = new FileRig({ path: "access.log*" });
  rig.write("access.log", numbered(0, 10));
  await rig.all();
  await Deno.copyFile(rig.path(), rig.path("access.log.bak"));
  await rig.all();
  rig.append("access.log", numbered(10, 3));
  await rig.restart();
  rig.write("access.log", numbered(13, 5));
  await assertRejects(() => rig.all(), Error, "outside");
});

Deno.test("createFileSource() counts each line once where a rotation falls into a look at the files", async () => {
  for (let after = 0; after < 40; after++) {
    let calls = Infinity;
    const rotate = () => {
      Deno.renameSync(rig.path("access.log.1"), rig.path("access.log.2"));
      Deno.renameSync(rig.path(), rig.path("access.log.1"));
      rig.write("access.log", header(numbered(200, 5)));
    };
    const called = () => {
      if (calls-- === 0) rotate();
    };
    const files: FileSystem = {
      ...disk,
      open: (path) => (called(), disk.open(path)),
      info: (path) => (called(), disk.info(path)),
    };
    await using rig = new FileRig({ files });
    rig.write("access.log", header(numbered(0, 5)));
    await rig.all();
    await rig.restart();
    await Deno.rename(rig.path(), rig.path("access.log.1"));
    rig.write("access.log", header(numbered(100, 5)));
    calls = after;
    for (let tries = 0;; tries++) {
      try {
        await rig.all();
        break;
      } catch (error) {
        if (!(error instanceof Unavailable) || tries > 3) throw error;
        await rig.restart();
      }
    }
    if (calls >= 0) rotate();
    assertEquals(events(await rig.all()), [...records(0, 5), ...records(100, 5), ...records(200, 5)], `after ${after}`);
  }
});

Deno.test("createFileSource() looks again for a file that a rotation hides", async () => {
  let hidden = 0;
  const names = async (folder: string) => {
    const found = await disk.names(folder);
    return hidden-- > 0 ? found.filter((name) => name !== "access.log.1") : found;
  };
  await using rig = new FileRig({ files: { ...disk, names } });
  rig.write("access.log", numbered(0, 5));
  await rig.all();
  await rig.restart();
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", numbered(10, 5));
  hidden = 5;
  assertEquals(await rig.all(), [...records(0, 5), ...records(10, 5)]);
});

Deno.test("createFileSource() gives no number to a file of comments alone", async () => {
  await using rig = new FileRig();
  rig.write("access.log", header(""));
  await rig.all();
  assertEquals((await rig.generations.load()).filter(({ generation }) => generation > 0), []);
  rig.append("access.log", numbered(0, 1));
  assertEquals(events(await rig.all()), records(0, 1));
});

Deno.test("createFileSource() knows a file by more of its beginning when it has grown", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 1));
  await rig.all();
  rig.append("access.log", numbered(1, 10));
  await rig.all();
  const known = (await rig.generations.load()).find(({ generation }) => generation === 1)!;
  assertEquals(known.fingerprintBytes, numbered(0, 11).length);
});

Deno.test("createFileSource() reads older input that takes the place of newer one, as standard input may", async () => {
  await using rig = new FileRig({ follow: false });
  for (const first of [300, 200, 100, 0]) {
    if (first < 300) await Deno.rename(rig.path(), rig.path("access.log.1"));
    rig.write("access.log", numbered(first, 20));
    await rig.all();
    await rig.restart();
  }
  assertEquals(rig.lines.toSorted(), [0, 100, 200, 300].flatMap((first) => records(first, 20)).toSorted());
});
