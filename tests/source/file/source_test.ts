// The rotation matrix: whatever happens to the files, every line is delivered exactly once, in order.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { StreamStopped, UsageError } from "../../../src/shared/errors.ts";
import { MemoryLease } from "../../../src/source/lease.ts";
import { LINE_BYTES_MAX } from "../../../src/source/lines.ts";
import { until } from "../../support/wait.ts";
import { FileRig, numbered, records } from "./rig.ts";

/** Does the same with and without a restart between the acts. */
function rotation(name: string, acts: readonly ((rig: FileRig) => void)[], expected: string[], path?: string) {
  for (const restart of [false, true]) {
    Deno.test(`createFileSource() ${name}${restart ? ", restarted in between" : ""}`, async () => {
      await using rig = new FileRig(path === undefined ? {} : { path });
      for (const act of acts) {
        act(rig);
        await rig.all();
        if (restart) await rig.restart();
      }
      assertEquals(await rig.all(), expected);
    });
  }
}

rotation("follows a renamed file to its end, then the new one", [
  (rig) => rig.write("access.log", numbered(0, 3)),
  (rig) => {
    rig.append("access.log", numbered(3, 2));
    Deno.renameSync(rig.path(), rig.path("access.log.1"));
    rig.write("access.log", numbered(5, 2));
  },
  (rig) => rig.append("access.log", numbered(7, 1)),
], records(0, 8));

rotation("follows a file that was renamed and compressed", [
  (rig) => rig.write("access.log", numbered(0, 100)),
  (rig) => {
    rig.append("access.log", numbered(100, 50));
    Deno.renameSync(rig.path(), rig.path("access.log.1"));
    rig.gzip("access.log.1");
    rig.write("access.log", numbered(150, 2));
  },
], records(0, 152));

rotation("reads two rotations that happened at once", [
  (rig) => rig.write("access.log", numbered(0, 3)),
  (rig) => {
    rig.append("access.log", numbered(3, 2));
    Deno.renameSync(rig.path(), rig.path("access.log.2"));
    rig.gzip("access.log.2");
    rig.write("access.log.1", numbered(5, 5));
    rig.write("access.log", numbered(10, 2));
  },
], records(0, 12));

rotation("follows a dated rotation name", [
  (rig) => rig.write("access.log", numbered(0, 3)),
  (rig) => {
    rig.append("access.log", numbered(3, 2));
    Deno.renameSync(rig.path(), rig.path("access-20260101.log"));
    rig.write("access.log", numbered(5, 2));
  },
], records(0, 7));

rotation("goes on in the copy after copytruncate", [
  (rig) => rig.write("access.log", numbered(0, 60)),
  (rig) => {
    rig.append("access.log", numbered(60, 2));
    rig.copyTruncate("access.log", "access.log.1");
    rig.append("access.log", numbered(62, 2));
  },
  (rig) => {
    rig.copyTruncate("access.log", "access.log.2");
    rig.append("access.log", numbered(64, 200));
  },
], records(0, 264));

Deno.test("createFileSource() goes on when a file that was read is emptied in place", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 60));
  await rig.all();
  await Deno.truncate(rig.path());
  await rig.all();
  rig.append("access.log", numbered(60, 1));
  assertEquals(await rig.all(), records(0, 61));
});

for (const [what, count] of [["shorter", 2], ["longer", 500]] as const) {
  Deno.test(`createFileSource() reads a recreated ${what} file from its start`, async () => {
    await using rig = new FileRig();
    rig.write("access.log", numbered(0, 60));
    await rig.all();
    rig.write("access.log", numbered(60, count)); // truncates and writes the same inode
    await rig.all();
    await Deno.remove(rig.path());
    await rig.all();
    rig.write("access.log", numbered(60 + count, 3));
    assertEquals(await rig.all(), records(0, 63 + count));
  });
}

Deno.test("createFileSource() stops with data_gap when a file is emptied before it was read", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 60_000)); // more than one read
  let event = await rig.step();
  while (event.kind !== "batch") event = await rig.step();
  rig.write("access.log", numbered(60_000, 1));
  const error = await assertRejects(() => rig.drain(), StreamStopped);
  assertEquals(error.code, "data_gap");
  await rig.restart();
  const source = await rig.source();
  await source.poll(0);
  const bounds = (await source.identify()).partitions[0]!;
  assert(bounds.logStart > event.batch.next, "the log must not claim to hold what is gone");
});

Deno.test("createFileSource() says where the log begins when its file vanished during a stop", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 5));
  await rig.all();
  await rig.restart();
  rig.write("access.log", numbered(5, 90));
  const source = await rig.source();
  await source.poll(0);
  const bounds = (await source.identify()).partitions[0]!;
  assert(bounds.logStart > rig.committed!, "it is not known what was lost, so the log begins after it");
});

Deno.test("createFileSource() delivers what is appended while it reads", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 40_000));
  let written = 40_000;
  for (let i = 0; i < 12; i++) {
    await rig.step();
    rig.append("access.log", numbered(written, 7));
    written += 7;
  }
  assertEquals(await rig.all(), records(0, written));
});

Deno.test("createFileSource() reads the logs of a glob in the order of their event times, whatever the names", async () => {
  await using rig = new FileRig({ path: "web*.log*", follow: false });
  rig.write("web-b.log", numbered(0, 3));
  rig.write("web-c.log.gz", gzipSync(numbered(3, 40)));
  rig.write("web-a.log", numbered(43, 2));
  rig.write("other.log", numbered(900, 1));
  assertEquals(await rig.all(), records(0, 45));
});

Deno.test("createFileSource() knows the end of a log whose last file is compressed", async () => {
  await using rig = new FileRig({ path: "*.gz", follow: false });
  rig.write("1.gz", gzipSync(numbered(0, 30)));
  const source = await rig.source();
  await rig.step();
  const end = (await source.identify()).partitions[0]!.logEnd;
  await rig.all();
  assertEquals(rig.committed, end);
});

Deno.test("createFileSource() reads gzip of several members and files that are not named as gzip", async () => {
  await using rig = new FileRig({ follow: false });
  rig.write("access.log", new Uint8Array([...gzipSync(numbered(0, 3)), ...gzipSync(numbered(3, 3))]));
  assertEquals(await rig.all(), records(0, 6));
});

Deno.test("createFileSource() goes on inside a compressed file after a restart", async () => {
  await using rig = new FileRig({ follow: false });
  rig.write("access.log", gzipSync(numbered(0, 60_000)));
  let batches = 0;
  while (batches < 2) if ((await rig.step()).kind === "batch") batches++;
  rig.commit();
  assert(rig.lines.length > 0 && rig.lines.length < 60_000, `${rig.lines.length}`);
  await rig.restart();
  assertEquals((await rig.all()).length, 60_000);
  assertEquals(rig.lines, records(0, 60_000));
});

Deno.test("createFileSource() stops at a cut-off gzip, after the lines before the cut", async () => {
  await using rig = new FileRig({ follow: false });
  const whole = gzipSync(numbered(0, 60_000));
  rig.write("access.log", whole.subarray(0, whole.length >> 1));
  const error = await assertRejects(() => rig.drain(), StreamStopped);
  assertEquals(error.code, "source_refused");
  assertStringIncludes(error.message, "access.log");
  assert(rig.pending.length > 1_000);
  assertEquals(rig.pending, records(0, rig.pending.length));
});

Deno.test("createFileSource() waits for a gzip that is still being written when following", async () => {
  await using rig = new FileRig({ path: "*.gz" });
  const whole = gzipSync(numbered(0, 60_000));
  rig.write("1.gz", whole.subarray(0, whole.length >> 1));
  for (let i = 0; i < 20; i++) await rig.step();
  assert(rig.seen.every((event) => event.kind !== "batch" || event.batch.next < event.batch.logEnd), "not caught up");
  rig.write("1.gz", whole);
  rig.clock.advance(6_000);
  assertEquals((await rig.all()).length, 60_000);
});

Deno.test("createFileSource() counts an unterminated last line once, and waits for its end when following", async () => {
  await using once = new FileRig({ follow: false, lastLine: "take" });
  once.write("access.log", "a t=1\nb t=2");
  assertEquals(await once.all(), ["a t=1", "b t=2"]);

  await using following = new FileRig();
  following.write("access.log", "a t=1\nb t");
  assertEquals(await following.all(), ["a t=1"]);
  following.append("access.log", "=2\nc");
  assertEquals(await following.all(), ["a t=1", "b t=2"]);
  await Deno.rename(following.path(), following.path("access.log.1"));
  following.write("access.log", "d t=4\n");
  assertEquals(await following.all(), ["a t=1", "b t=2", "c", "d t=4"]);
});

Deno.test("createFileSource() strips CRLF and skips blank lines", async () => {
  await using rig = new FileRig({ follow: false });
  rig.write("access.log", "a t=1\r\n\r\n\n  \nb\r\n");
  assertEquals(await rig.all(), ["a t=1", "b"]);
});

Deno.test("createFileSource() waits for a missing or empty file when following, and refuses it once", async () => {
  await using rig = new FileRig();
  assertEquals(await rig.all(), []);
  rig.write("access.log", "");
  assertEquals(await rig.all(), []);
  rig.append("access.log", numbered(0, 2));
  assertEquals(await rig.all(), records(0, 2));

  await using once = new FileRig({ follow: false });
  await assertRejects(() => once.source(), UsageError, "access.log");
  once.write("access.log", "");
  assertEquals(await once.all(), []);
});

Deno.test("createFileSource() holds an over-long line's head only and goes on behind it", async () => {
  await using rig = new FileRig({ follow: false, lastLine: "take" });
  const long = LINE_BYTES_MAX * 3 + 77;
  rig.write("access.log", `a t=1\n${"x".repeat(long)}\nb\n${"y".repeat(LINE_BYTES_MAX)}\r\nc\n${"z".repeat(long)}`);
  const lines = await rig.all();
  assertEquals(lines.map((line) => line[0]), ["a", "x", "b", "y", "c", "z"]);
  assertEquals(lines.map((line) => line.length), [5, LINE_BYTES_MAX + 1, 1, LINE_BYTES_MAX, 1, LINE_BYTES_MAX + 1]);
});

Deno.test("createFileSource() stays with a rotated file for as long as it is written to", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 2));
  await rig.all();
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", numbered(3, 1));
  rig.touch("access.log.1");
  rig.clock.advance(1_100);
  await rig.step();
  await rig.step();
  rig.append("access.log.1", numbered(2, 1)); // a worker that has not reopened yet
  rig.touch("access.log.1");
  assertEquals(await rig.all(), records(0, 4));
});

Deno.test("createFileSource() gives the log to one process at a time", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 2));
  await rig.all();
  await using other = new FileRig();
  other.holder.owner = rig.holder.owner;
  const refused = await other.step();
  assert(refused.kind === "unavailable" && refused.reason.includes("another process"));

  const source = await rig.source();
  const before = source.confirmedAt();
  rig.clock.advance(2_000);
  await until("the lease is confirmed", () => source.confirmedAt() === rig.clock.now());
  assert(source.confirmedAt() > before);

  const thief = new MemoryLease(rig.holder);
  rig.holder.owner = thief;
  rig.clock.advance(2_000);
  await until("the loss is seen", async () => (await rig.step()).kind === "lost");
  assertEquals((await rig.step()).kind, "unavailable");
  await thief.release();
  rig.clock.advance(2_000);
  const again = await rig.step();
  assert(again.kind === "assigned" && again.generation === 2);
});

Deno.test("createFileSource() ignores a resume of an older generation", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 2));
  const source = await rig.source();
  const event = await source.poll(0);
  assert(event.kind === "assigned");
  source.resume(event.generation + 1, new Map([[0 as never, 5 as never]]));
  assertEquals((await source.poll(0)).kind, "timeout");
});

Deno.test("createFileSource() does not take a compressed file for the one that had its name at the last look", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 1));
  await rig.all();
  await rig.restart();
  rig.gzip("access.log");
  await Deno.rename(rig.path("access.log.gz"), rig.path("access.log.1.gz"));
  await rig.step();
  await Deno.rename(rig.path("access.log.1.gz"), rig.path("access.log.2.gz"));
  rig.write("access.log.1", numbered(1, 2));
  rig.gzip("access.log.1");
  rig.write("access.log", numbered(3, 1));
  assertEquals(await rig.all(), records(0, 4));
});

Deno.test("createFileSource() reads what was added to a rotated file while its successor was being found", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 2));
  await rig.all();
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", numbered(3, 1));
  const save = rig.generations.save.bind(rig.generations);
  let added = false;
  rig.generations.save = async (generation) => {
    if (generation.generation === 2 && !added) {
      added = true;
      rig.append("access.log.1", numbered(2, 1));
      await Deno.utime(rig.path("access.log.1"), 0, 0); // looks as if it had not been written for long
    }
    await save(generation);
  };
  assertEquals(await rig.all(), records(0, 4));
});

Deno.test("createFileSource() goes back into a finished file whose end was not committed", async () => {
  await using rig = new FileRig();
  rig.write("access.log", numbered(0, 3));
  await rig.all();
  rig.append("access.log", numbered(3, 3));
  await Deno.rename(rig.path(), rig.path("access.log.1"));
  rig.write("access.log", numbered(6, 2));
  await rig.drain();
  await rig.restart();
  assertEquals(await rig.all(), records(0, 8));
});

Deno.test("createFileSource() looks again at a file that changed within a tick of its clock", async () => {
  await using rig = new FileRig();
  rig.write("access.log", "ab");
  await Deno.utime(rig.path(), 2e9, 2e9);
  await rig.step();
  rig.write("access.log", "c\n");
  await Deno.utime(rig.path(), 2e9, 2e9);
  assertEquals(await rig.all(), ["c"]);
});

Deno.test("createFileSource() counts a rotated file that holds nothing but an unterminated line", async () => {
  for (const path of ["access.log", "access.log*"]) {
    await using rig = new FileRig({ path });
    rig.write("access.log", numbered(0, 1));
    await rig.all();
    await Deno.rename(rig.path(), rig.path("access.log.2"));
    rig.write("access.log.1", records(1, 1)[0]!);
    rig.write("access.log", numbered(2, 1));
    assertEquals(await rig.all(), records(0, 3));
  }
});
