// Archives of packages: their files come out in chunks of any size; a damaged one ends in an error or in files within its bytes.
import { readTar } from "../../src/geo/install/tar.ts";
import { writeTar } from "../geo/install/tar_rig.ts";
import { type Below, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf, type Verdict } from "./target.ts";

interface File {
  readonly path: string;
  readonly size: number;
  readonly type?: string;
}

function generate(below: Below): Case {
  const { many, pick, int, once } = chanceOf(below);
  const files = many(4, (): File => ({
    path: pick(["package/a", "package/dir/b.mmdb", `package/${"deep/".repeat(20)}c`, "x"]),
    size: once(3) ? pick([0, 1, 511, 512, 513, 1024]) : int(0, 3_000),
    ...(once(5) && { type: pick(["5", "x", "2", "g"]) }),
  }));
  if (once(2)) return textCase(JSON.stringify(files), `whole ${int(1, 1_500)}`);
  let bytes: Uint8Array = archiveOf(files);
  for (let n = int(1, 3); n > 0; n--) {
    // Nearly everything of interest lies in the headers.
    const at = once(2) ? 0 : 512 * below(Math.max(1, bytes.length >> 9));
    bytes = Uint8Array.from([...bytes.subarray(0, at), ...mutated(bytes.subarray(at), below)]);
  }
  return { variant: `damaged ${int(1, 1_500)}`, input: bytes };
}

const contentOf = (size: number) => new Uint8Array(size).map((_, i) => (i * 7 + size) % 251);
const archiveOf = (files: readonly File[]) =>
  writeTar(
    files.map(({ path, size, type }) => ({ path, content: contentOf(size), ...(type !== undefined && { type }) })),
  );

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

/** `path:bytes` of every file, or `null` where it ends in an error. */
async function read(bytes: Uint8Array, size: number): Promise<string[] | null> {
  const found: string[] = [];
  try {
    for await (const { path, sizeBytes, content } of readTar(chunks(bytes, size))) {
      const parts: number[] = [];
      for await (const chunk of content) parts.push(...chunk);
      if (parts.length !== sizeBytes || parts.length > bytes.length) {
        throw new RangeError(`${parts.length} bytes of ${sizeBytes}`);
      }
      found.push(`${path}:${Uint8Array.from(parts).toBase64()}`);
    }
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("The archive is ")) return null;
    throw error;
  }
  return found;
}

const judge: Judge = {
  async check({ variant, input }): Promise<Verdict> {
    const [kind, size] = variant.split(" ") as [string, string];
    if (kind === "damaged") return sound(await read(input, Number(size)) === null ? "refused" : "damaged");
    let files: File[];
    try {
      files = JSON.parse(textOf({ variant, input })) as File[];
    } catch {
      return sound("no case");
    }
    const expected = files.filter(({ type }) => type === undefined).map(({ path, size }) =>
      `${path}:${contentOf(size).toBase64()}`
    );
    const found = await read(archiveOf(files), Number(size));
    return JSON.stringify(found) === JSON.stringify(expected)
      ? sound("whole")
      : faulty("whole", `gives ${found?.length} files, written were ${expected.length}`);
  },
};

export const tarTarget: Target = {
  name: "tar",
  holds:
    "an archive gives its files in chunks of any size; a damaged one ends in an error or gives files within its bytes",
  generate,
  open: () => judge,
  shares: { whole: 0.3, refused: 0.1, damaged: 0.02 },
  testCases: 1_000,
  isWhole: true,
};
