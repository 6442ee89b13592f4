// What a look at the folder has shown and is gone before it was read: it is counted from another file, or the stream stops by name.
import { assertEquals, assertRejects } from "@std/assert";
import { StreamStopped } from "../../../src/shared/errors.ts";
import { disk, type FileSystem } from "../../../src/source/file/file_system.ts";
import { contentsOf, type Generation, proofOf } from "../../../src/source/file/generations.ts";
import type { SeenFile } from "../../../src/source/file/match.ts";
import { Proofs } from "../../../src/source/file/proofs.ts";
import { lostOf, ShownFiles } from "../../../src/source/file/shown.ts";
import { events, FileRig, header, numbered, records } from "./rig.ts";
import { file, generation, head } from "./samples.ts";

/** A disk on which `act` is done before one of the calls is answered, and the files that were opened before it. */
function interrupted(act: () => void) {
  const opened = new Set<string>(), openedAfter = new Set<string>();
  const state = { opened, openedAfter, left: Infinity };
  const called = () => {
    if (state.left-- === 0) act();
  };
  const files: FileSystem = {
    ...disk,
    open: (path) => {
      called();
      (state.left >= 0 ? opened : openedAfter).add(path);
      return disk.open(path);
    },
    info: (path) => (called(), disk.info(path)),
  };
  return { files, state };
}

for (const restart of [false, true]) {
  const when = restart ? ", restarted in between" : "";

  Deno.test(`createFileSource() stops where a rotation removes a file in the middle of the look that showed it${when}`, async () => {
    let stops = 0;
    for (let after = 0; after < 24; after++) {
      const { files, state } = interrupted(() => {
        // As a rotation does that keeps two files.
        Deno.renameSync(rig.path("access.log.1"), rig.path("access.log.2"));
        Deno.renameSync(rig.path(), rig.path("access.log.1"));
        rig.write("access.log", numbered(300, 5));
      });
      await using rig = new FileRig({ files });
      rig.write("access.log", numbered(0, 5));
      await rig.all();
      if (restart) await rig.restart();
      rig.clock.advance(1_000);
      await Deno.rename(rig.path(), rig.path("access.log.3"));
      rig.write("access.log.2", numbered(100, 5));
      rig.write("access.log.1", numbered(200, 5));
      rig.write("access.log", numbered(250, 5));
      state.opened.clear();
      state.left = after;
      const isShown = () => state.left < 0 && state.opened.has(rig.path("access.log.2"));
      try {
        await rig.all();
      } catch (error) {
        if (!isShown()) throw error;
        stops++;
        continue;
      }
      const isThere = rig.lines.includes(records(100, 1)[0]!);
      assertEquals(isThere || !isShown(), true, `after ${after}: lines that a look has shown are lost silently`);
    }
    assertEquals(stops > 0, true, "no rotation fell into a look");
  });

  Deno.test(`createFileSource() stops where a rotated file is removed that had grown and waited to be read on${when}`, async () => {
    await using rig = new FileRig();
    rig.write("access.log", numbered(0, 5));
    await rig.all();
    await Deno.rename(rig.path(), rig.path("access.log.1"));
    rig.write("access.log", numbered(10, 5));
    await rig.all();
    const steps = async (isDone: () => boolean) => {
      for (let i = 0; i < 60 && !isDone(); i++) {
        rig.clock.advance(1_000);
        await rig.step();
      }
    };
    // The pause before the next return grows with each one.
    for (let i = 0; i < 5; i++) {
      for (const [name, line] of [["access.log.1", 100 + i], ["access.log", 50 + i]] as const) {
        rig.append(name, numbered(line, 1));
        await steps(() => rig.pending.length > 0);
        assertEquals(rig.pending, records(line, 1));
        rig.commit();
      }
    }
    rig.append("access.log.1", numbered(200, 1));
    let waited = 0;
    await steps(() => ++waited > 5);
    assertEquals(rig.pending, [], "it was read on at once");
    if (restart) await rig.restart();
    await Deno.rename(rig.path(), rig.path("access.log.1"));
    rig.append("access.log.1", numbered(60, 2));
    rig.write("access.log", numbered(70, 2));
    await assertRejects(() => rig.all(), StreamStopped, "access.log.1");
    assertEquals(rig.pending, records(60, 2), "what is there before it is read first");
    rig.commit();
    // Nothing but what is gone lies in the gap.
    rig.acceptsGap = true;
    await rig.restart();
    rig.append("access.log.1", numbered(62, 1));
    assertEquals((await rig.all()).slice(-5), [...records(60, 2), ...records(70, 2), ...records(62, 1)]);
  });
}

Deno.test("createFileSource() counts a file once that is compressed in the middle of the look that shows it", async () => {
  for (let after = 0; after < 24; after++) {
    const { files, state } = interrupted(() => rig.gzip("access.log.1"));
    await using rig = new FileRig({ files });
    rig.write("access.log", numbered(0, 5));
    await rig.all();
    rig.clock.advance(1_000);
    await Deno.rename(rig.path(), rig.path("access.log.2"));
    rig.write("access.log.1", numbered(100, 5));
    rig.write("access.log", numbered(200, 5));
    state.left = after;
    assertEquals(await rig.all(), [...records(0, 5), ...records(100, 5), ...records(200, 5)], `after ${after}`);
  }
});

Deno.test("createFileSource() stops where lines are gone that were written in the middle of the look that showed them", async () => {
  let stops = 0;
  for (let after = 0; after < 24; after++) {
    const { files, state } = interrupted(() => rig.append("access.log", numbered(100, 5)));
    await using rig = new FileRig({ files });
    rig.write("access.log", numbered(0, 5));
    await rig.all();
    await rig.restart();
    await Deno.rename(rig.path(), rig.path("access.log.1"));
    rig.write("access.log", "");
    state.left = after;
    await rig.step();
    const isShown = state.openedAfter.has(rig.path());
    state.left = Infinity;
    rig.write("access.log", numbered(200, 1));
    if (!isShown) continue;
    await assertRejects(() => rig.all(), StreamStopped, "access.log");
    stops++;
  }
  assertEquals(stops > 0, true);
});

for (const restart of [false, true]) {
  const when = restart ? ", restarted in between" : "";

  Deno.test(`createFileSource() stops once at a file that was edited beside its backup${when}`, async () => {
    await using rig = new FileRig({ path: "access.log*" });
    rig.write("access.log", numbered(0, 20));
    await rig.all();
    // As `sed -i.bak` does; the server goes on in the file that it has open.
    await Deno.rename(rig.path(), rig.path("access.log.bak"));
    rig.write("access.log", numbered(0, 5) + numbered(8, 5));
    rig.append("access.log.bak", numbered(20, 2));
    for (let i = 0; i < 60 && (await rig.generations.load()).every(({ generation }) => generation < 2); i++) {
      rig.clock.advance(1_000);
      await rig.step();
    }
    rig.commit();
    if (restart) await rig.restart();
    await assertRejects(() => rig.all(), Error, restart ? "outside" : "has been changed");
    rig.commit();
    rig.acceptsGap = true;
    await rig.restart();
    await rig.step();
    rig.commit();
    await rig.restart();
    // Written anew while nothing reads: the backup does not mean that the file was put back as it was.
    rig.write("access.log", numbered(30, 20));
    assertEquals((await rig.all()).slice(20), [...records(20, 2), ...records(30, 20)]);
  });
}

Deno.test("createFileSource() does not take a copy with the same comments for a file that was edited", async () => {
  await using rig = new FileRig({ path: "access.log*" });
  rig.write("access.log", header(numbered(0, 60)));
  await rig.all();
  await Deno.copyFile(rig.path(), rig.path("access.log.bak"));
  rig.append("access.log", numbered(60, 5));
  await rig.all();
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", header(numbered(100, 20)));
  await rig.all();
  rig.write("new", header(numbered(100, 5) + numbered(108, 5)));
  await Deno.rename(rig.path("new"), rig.path());
  await assertRejects(() => rig.all(), StreamStopped, "has been changed");
  rig.commit();
  const { proof, fromByte } = (await rig.generations.load()).find(({ generation }) => generation === 3)!;
  assertEquals([proof?.to, fromByte], [fromByte - 1, header(numbered(100, 5) + numbered(108, 5)).length]);
  rig.acceptsGap = true;
  for (let i = 0; i < 2; i++) {
    await rig.restart();
    rig.append("access.log", numbered(200 + i, 1));
    await rig.all();
  }
  assertEquals(events(rig.lines), [...records(0, 65), ...records(100, 20), ...records(200, 2)]);
});

for (const again of ["edited", "edited while nothing reads", "written anew"]) {
  Deno.test(`createFileSource() notices a file that is ${again} behind an accepted gap before more was read`, async () => {
    await using rig = new FileRig();
    const replace = (text: string) => {
      rig.write("new", text);
      Deno.renameSync(rig.path("new"), rig.path());
    };
    rig.write("access.log", header(numbered(0, 20)));
    await rig.all();
    replace(header(numbered(0, 5) + numbered(8, 10)));
    await assertRejects(() => rig.all(), StreamStopped, "has been changed");
    rig.commit();
    rig.acceptsGap = true;
    await rig.restart();
    if (again === "edited while nothing reads") {
      await rig.step();
      rig.commit();
      await rig.restart();
      replace(header(numbered(0, 3) + numbered(8, 7)));
      // A second gap, which is accepted.
      assertEquals(events(await rig.all()), records(0, 20));
      return;
    }
    await rig.all();
    if (again === "edited") {
      replace(header(numbered(0, 3) + numbered(8, 7)));
      await assertRejects(() => rig.all(), StreamStopped, "has been changed");
    } else {
      rig.write("access.log", header(numbered(100, 40)));
      assertEquals(events(await rig.all()), [...records(0, 20), ...records(100, 40)]);
    }
  });
}

Deno.test("createFileSource() counts lines once where a copy appears with its original, which is gone by the next look", async () => {
  await using rig = new FileRig({ path: "access.log*" });
  rig.write("access.log", "");
  await rig.all();
  rig.write("access.log.1", numbered(0, 10));
  rig.write("access.log.bak", numbered(0, 5));
  rig.clock.advance(1_000);
  for (let i = 0; i < 5 && rig.pending.length === 0; i++) await rig.step();
  await Deno.remove(rig.path("access.log.1"));
  rig.write("access.log", numbered(20, 2));
  assertEquals(await rig.all(), [...records(0, 10), ...records(20, 2)]);
});

Deno.test("createFileSource() stores at once up to which time a file was read first", async () => {
  await using rig = new FileRig();
  const reads = async (lines: readonly string[]) => {
    for (let i = 0; i < 10 && rig.pending.length === 0; i++) {
      await rig.step();
      rig.clock.advance(1_000);
    }
    assertEquals(rig.pending, lines);
    rig.commit();
  };
  rig.write("access.log", numbered(0, 5));
  await rig.all();
  rig.append("access.log", numbered(5, 1));
  // Its time is stored; the next file follows before the pause is over.
  await reads(records(5, 1));
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", numbered(10, 20));
  await reads(records(10, 20));
  const { lastTime } = (await rig.generations.load()).find(({ generation }) => generation === 2)!;
  assertEquals(lastTime, 1_000_029);
});

Deno.test("createFileSource() reads on what is added to a file behind which a gap was accepted", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 5));
  await rig.all();
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", numbered(10, 5));
  await rig.all();
  await rig.restart();
  const passed = (await rig.generations.load()).find(({ generation }) => generation === 1)!;
  await rig.generations.save({ ...passed, finished: false });
  await rig.all();
  rig.append("access.log.1", numbered(5, 2));
  assertEquals((await rig.all()).slice(-2), records(5, 2));
});

Deno.test("createFileSource() stops where lines that a look at the folder showed are gone before the file was read on", async () => {
  const { files, state } = interrupted(() => rig.append("access.log", numbered(5, 3)));
  await using rig = new FileRig({ files });
  rig.write("access.log", numbered(0, 5));
  await rig.all();
  rig.clock.advance(1_000);
  // The end of what was read comes first, then the look.
  state.left = 0;
  await rig.step();
  assertEquals([state.left < 0, rig.pending], [true, []]);
  rig.write("access.log", "");
  await assertRejects(() => rig.all(), StreamStopped, "emptied");
});

Deno.test("Proofs.refuted() does not count what was added to a file after the look", async () => {
  await using rig = new FileRig();
  const text = numbered(0, 3), more = text + numbered(3, 3);
  rig.write("access.log", more);
  const identity = (await disk.info(rig.path())).identity;
  const [content] = contentsOf([generation(1, text, { proof: proofOf(head(more), more.length) })]);
  const isRefuted = async (seen: SeenFile) => (await new Proofs(disk).refuted([seen], [content!]))(seen, content!);
  assertEquals(await isRefuted(file(rig.path(), more, { identity })), false);
  assertEquals(await isRefuted(file(rig.path(), text, { identity })), true);
});

const lost = (known: Generation[], gone: SeenFile[], seen: SeenFile[] = [], identity?: string) =>
  lostOf(gone, contentsOf(known), { seen, located: new Map(), identityOf: () => identity })
    .map(({ content, from, to }) => [content?.number ?? null, from, to]);

Deno.test("lostOf() names what was neither numbered nor is in another file", () => {
  const text = numbered(0, 3), more = text + numbered(3, 2);
  assertEquals(lost([], [file("x", text)]), [[null, 0, text.length]]);
  assertEquals(lost([], [file("x", text, { settled: false })]), [], "its first line was being written");
  const read = generation(1, text, { sizeSeen: text.length, finished: true });
  assertEquals(lost([read], [file("x", text)]), []);
  assertEquals(lost([read], [file("x", more)]), [[null, text.length, more.length]], "it had grown");
  assertEquals(lost([{ ...read, sealed: true }], [file("x", more)]), [], "an operator gave it up");
  assertEquals(lost([{ ...read, generation: -1, content: -1 }], [file("x", more)]), [], "from before the stream");
  const copy = { ...read, generation: -1, content: -1, fromByte: text.length };
  assertEquals(lost([copy], [file("x", more)]), [[null, text.length, more.length]], "a copy that had grown");
  assertEquals(lost([{ ...read, finished: false }], [file("x", more)]), [[1, text.length, more.length]]);
  assertEquals(lost([], [file("x", more)], [file("x.bak", text)]), [[null, text.length, more.length]]);
  assertEquals(lost([], [file("x", more)], [file("y", more.slice(0, 20) + "other")]), [[null, 0, more.length]]);
});

Deno.test("lostOf() knows earlier states of what was read, and other files that begin with the same comments", () => {
  const text = header(numbered(0, 3)), more = text + numbered(3, 90);
  const read = generation(1, more.slice(0, 1_024), {
    sizeSeen: more.length,
    proof: proofOf(head(more), more.length),
    finished: true,
  });
  assertEquals(lost([read], [file("x", more)]), []);
  const other = header(numbered(100, 3));
  assertEquals(lost([read], [file("x", other)]), [[null, 0, other.length]], "what was read lies behind its end");
  assertEquals(lost([read], [file("x", text)], [], "x"), [], "an earlier state of the same file");
  const longer = header(numbered(100, 93));
  assertEquals(
    lost([read], [file("x", longer)]),
    [[null, 0, longer.length]],
    "other lines where what was read should be",
  );
  const short = numbered(0, 1), known = generation(1, numbered(0, 9), { sizeSeen: 500 });
  assertEquals(lost([known], [file("x", short)], [], "x"), [], "shorter than what the content is known by");
  assertEquals(lost([known], [file("x", short)], [], "y"), [[null, 0, short.length]]);
});

Deno.test("ShownFiles forgets what another file holds, and what has a number", () => {
  const shown = new ShownFiles(), paths = (files: readonly SeenFile[]) => files.map(({ path }) => path);
  const x = file("x", numbered(0, 2)), longer = file("x", numbered(0, 4)), y = file("y", numbered(10, 2));
  assertEquals(paths(shown.add([], [x, y])), []);
  assertEquals(paths(shown.add([], [longer])), ["y"]);
  assertEquals(paths(shown.add([x], [y])), ["x"], "y is there again, of x the longest state is kept");
  assertEquals(paths(shown.add([], [file("z", numbered(0, 3))])), ["x", "y"]);
  assertEquals(paths(shown.add([], [file("z", numbered(0, 4)), y])), []);
  shown.keep([]);
  assertEquals(paths(shown.add([], [])), []);
});
