import { assert, assertEquals } from "@std/assert";
import { LineWriter } from "../../src/cli/line_writer.ts";

/** A sink that takes `step` bytes a write, and nothing while `gate` is pending. */
function sink(step = Infinity, gate: Promise<void> = Promise.resolve()) {
  const bytes: number[] = [];
  return {
    text: () => new TextDecoder().decode(new Uint8Array(bytes)),
    write: async (chunk: Uint8Array) => {
      await gate;
      const taken = chunk.subarray(0, Math.min(step, chunk.length));
      bytes.push(...taken);
      return taken.length;
    },
  };
}

Deno.test("line() keeps the order and finishes partial writes", async () => {
  const target = sink(3);
  const writer = new LineWriter(target);
  for (const line of ["one", "zwölf", "", "three"]) writer.line(line);
  await writer.flush();
  writer.line("four");
  await writer.flush();
  assertEquals(target.text(), "one\nzwölf\n\nthree\nfour\n");
});

Deno.test("line() goes quiet when the reader went away", async () => {
  let writes = 0;
  const writer = new LineWriter({
    write: () => {
      writes++;
      return Promise.reject(new Deno.errors.BrokenPipe("closed"));
    },
  });
  writer.line("one");
  await writer.flush();
  assert(writer.closed);
  writer.line("two");
  await writer.flush();
  assertEquals(writes, 1);
});

Deno.test("line() drops and counts lines that a stuck reader leaves waiting, and never waits itself", async () => {
  const gate = Promise.withResolvers<void>();
  const target = sink(Infinity, gate.promise);
  const writer = new LineWriter(target, { waitingMax: 10 });
  writer.line("first");
  for (let i = 0; i < 100; i++) writer.line("0123456789");
  gate.resolve();
  await writer.flush();
  writer.line("last");
  await writer.flush();
  assertEquals(target.text(), "first\n0123456789\n(99 lines dropped: the reader is too slow)\nlast\n");
});

Deno.test("line() writes a line that comes in just as the one before is done", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const target = sink();
    const writer = new LineWriter(target);
    writer.line("one");
    for (let i = 0; i < turns; i++) await Promise.resolve();
    writer.line("two");
    await writer.flush();
    assertEquals(target.text(), "one\ntwo\n", `after ${turns} turns`);
  }
});

Deno.test("progress() is erased by the next line", async () => {
  const target = sink();
  const writer = new LineWriter(target);
  writer.progress("10 %");
  writer.progress("20 %");
  writer.line("done");
  writer.line("end");
  await writer.flush();
  assertEquals(target.text(), "10 %\r\x1b[K20 %\r\x1b[Kdone\nend\n");
});
