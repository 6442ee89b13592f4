// Frames come out whole and in order however the bytes arrive, and their memory is used again only after it was given back.
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { FramePool } from "../../../src/source/kafka/frame_pool.ts";
import { Frames } from "../../../src/source/kafka/frames.ts";
import { seeded } from "../../../bench/support.ts";

const frame = (size: number, fill: number) => {
  const bytes = Buffer.alloc(4 + size, fill);
  bytes.writeInt32BE(size);
  return bytes;
};

/** Feeds the bytes as a socket does: into `space`, at most `most` at once. */
function feed(frames: Frames, bytes: Uint8Array, most: () => number): void {
  for (let at = 0; at < bytes.length;) {
    const space = frames.space(), count = Math.min(space.length, most(), bytes.length - at);
    space.set(bytes.subarray(at, at + count));
    frames.filled(count);
    at += count;
  }
}

Deno.test("Frames give each response whole, whatever the sizes and however they are cut", () => {
  const random = seeded(7);
  for (let round = 0; round < 40; round++) {
    const sent = Array.from(
      { length: 1 + Math.floor(random() * 12) },
      (_, i) => frame(Math.floor(random() ** 6 * 400_000), i),
    );
    const got: Buffer[] = [];
    const most = 1 + Math.floor(random() ** 3 * 70_000);
    feed(
      new Frames((bytes) => got.push(bytes), new FramePool()),
      Buffer.concat(sent),
      () => 1 + Math.floor(random() * most),
    );
    assertEquals(got.map(({ length }) => length), sent.map(({ length }) => length));
    assert(got.every((bytes, i) => bytes.equals(sent[i]!)));
  }
});

Deno.test("Frames hand on what another protocol's server answers, without memory for the length that it seems to claim", () => {
  const alert = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28]), got: Buffer[] = [];
  const frames = new Frames((bytes) => got.push(bytes), new FramePool());
  feed(frames, Buffer.concat([frame(3, 1), alert]), () => 5);
  feed(frames, Buffer.from("more"), () => 99);
  assertEquals(Buffer.concat(got), Buffer.concat([frame(3, 1), alert, Buffer.from("more")]));
});

Deno.test("FramePool gives memory out again that was given back, and no other", () => {
  const pool = new FramePool();
  const one = pool.take(300_000), two = pool.take(300_000);
  assert(one.buffer !== two.buffer);
  pool.release(one.buffer);
  pool.release(one.buffer); // a second time changes nothing
  const three = pool.take(400_000), four = pool.take(300_000);
  assert(three.buffer === one.buffer, "it comes in steps: 400,000 bytes fit");
  assert(four.buffer !== one.buffer && four.buffer !== two.buffer);
  assertEquals([one.length, three.length], [300_000, 400_000]);
});

Deno.test("FramePool keeps neither small frames, nor memory of others, nor more than a few megabytes", () => {
  const pool = new FramePool();
  const small = pool.take(1_000), other = new ArrayBuffer(1 << 20);
  pool.release(small.buffer);
  pool.release(other);
  assert(pool.take(1_000).buffer !== small.buffer && pool.take(1 << 20).buffer !== other);
  const large = Array.from({ length: 5 }, () => pool.take(3 << 20));
  for (const { buffer } of large) pool.release(buffer);
  const again = Array.from({ length: 5 }, () => pool.take(3 << 20).buffer);
  assertEquals(again.filter((buffer) => large.some((one) => one.buffer === buffer)).length, 2);
});
