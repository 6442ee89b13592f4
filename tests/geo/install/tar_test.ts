// Reading tar archives in chunks of any size, cut off and damaged.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { readTar } from "../../../src/geo/install/tar.ts";
import { writeTar } from "./tar_rig.ts";

const text = (length: number) => new Uint8Array(length).map((_, i) => i % 251);
const FILES = [
  { path: "package/", content: text(0), type: "5" },
  { path: "package/empty", content: text(0) },
  { path: "meta", content: text(30), type: "x" },
  { path: "package/one", content: text(512) },
  { path: `package/${"deep/".repeat(20)}two`, content: text(1300) },
];

async function* chunks(bytes: Uint8Array, size: number, onEnd = () => {}): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield await Promise.resolve(bytes.subarray(at, at + size));
  }
  onEnd();
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  for await (const entry of readTar(source)) {
    const content: number[] = [];
    for await (const chunk of entry.content) content.push(...chunk);
    assertEquals(content.length, entry.sizeBytes);
    found.set(entry.path, content);
  }
  return found;
}

Deno.test("readTar() gives the regular files whatever the chunks are", async () => {
  const archive = writeTar(FILES);
  const expected = new Map(FILES.filter((file) => !file.type).map((file) => [file.path, [...file.content]]));
  for (const size of [1, 7, 511, 512, 513, 100_000]) {
    assertEquals(await readAll(chunks(archive, size)), expected, `${size}`);
  }
});

Deno.test("readTar() skips content that is not read, and reads the stream to its end", async () => {
  let ended = false;
  const paths: string[] = [];
  for await (const entry of readTar(chunks(writeTar(FILES), 100, () => ended = true))) paths.push(entry.path);
  assertEquals(paths.length, 3);
  assert(ended);
});

Deno.test("readTar() throws when the archive is cut off or damaged", async () => {
  const archive = writeTar(FILES);
  for (const length of [0, 100, 512, 1000, 2_000, archive.length - 1024]) {
    await assertRejects(() => readAll(chunks(archive.subarray(0, length), 300)), Error, "cut off");
  }
  for (const [at, why] of [[3, "checksum"], [130, "checksum"], [150, "wrong"]] as const) {
    const damaged = archive.slice();
    damaged[at]! ^= 0x15;
    await assertRejects(() => readAll(chunks(damaged, 300)), Error, why);
  }
});
