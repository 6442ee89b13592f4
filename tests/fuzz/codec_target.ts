// The four codecs of record batches: what was compressed comes back; anything else is a DecompressError or no more than the cap, in bounded time.
import { CODEC_NAMES, decompress, DecompressError } from "../../src/source/kafka/decode/codecs.ts";
import { compress } from "../support/kafka_record_batch.ts";
import { type Below, type Chance, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, type Verdict } from "./target.ts";

/** What a body may expand to here: small, so that a bomb shows soon. */
const CAP_BYTES = 1 << 20;
const WAYS = ["gzip", "snappy", "snappy-raw", "lz4", "zstd"] as const;
type Way = typeof WAYS[number];
const codecOf = (way: Way) => (CODEC_NAMES as readonly string[]).indexOf(way.replace("-raw", ""));

/** Text that repeats itself, now and then, or bytes of no order. */
function plain({ below, once, int, pick }: Chance): Uint8Array {
  const length = once(4) ? int(0, 12) : once(20) ? int(60_000, 200_000) : int(1, 3_000);
  const bytes = new Uint8Array(length);
  if (once(4)) { for (let i = 0; i < length; i++) bytes[i] = below(256); }
  else {
    const words = Array.from(
      { length: int(1, 5) },
      () => new TextEncoder().encode(pick(["a", '{"host":"shop.example"', "0123456789", "é", "\0\0\0\0\0\0\0\0"])),
    );
    for (let at = 0; at < length;) {
      const word = pick(words);
      bytes.set(word.subarray(0, length - at), at);
      at += word.length;
    }
  }
  return bytes;
}

const int32 = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const little32 = (value: number) => int32(value).reverse();

/** Bodies that keep to a codec's outer shape and lie within: about lengths, above all. */
function hostile(way: Way, chance: Chance): number[] {
  const { below, pick, int, many, once } = chance;
  const odd32 = () =>
    pick([0, 1, 60, 255, 65_536, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32 - int(1, 80), below(2 ** 31)]);
  const noise = (most: number) => many(most, () => once(2) ? pick([0, 1, 0x0f, 0xf0, 0xff]) : below(256));
  switch (way) {
    case "snappy":
    case "snappy-raw": {
      // A tag of each kind, with its length and offset at their ends.
      const tag = () =>
        pick([
          () => [pick([0x00, 0xec, 0xf0, 0xf4, 0xf8, 0xfc]), ...little32(odd32())],
          () => [(int(0, 7) << 2) | (int(0, 7) << 5) | 1, below(256)],
          () => [(int(0, 63) << 2) | 2, below(256), pick([0, 255])],
          () => [(int(0, 63) << 2) | 3, ...little32(odd32())],
          () => [0x08, 0x61, 0x62, 0x63],
        ])();
      const length = once(2) ? int(0, 200) : odd32();
      const varint: number[] = [];
      for (let rest = length;; rest = Math.floor(rest / 128)) {
        varint.push(rest > 127 ? (rest % 128) | 128 : rest);
        if (rest <= 127) break;
      }
      const block = [...(once(10) ? [255, 255, 255, 255, 255, 255] : varint), ...many(12, tag).flat()];
      const framed = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, ...int32(1), ...int32(1)];
      return way === "snappy-raw"
        ? block
        : [...framed, ...many(3, () => [...int32(once(3) ? odd32() : block.length), ...block]).flat()];
    }
    case "lz4": {
      const flags = 0x40 | pick([0, 0x04, 0x08, 0x0c, 0x10, 0x20, 0x2c, below(64)]);
      const size = (flags & 0x08) !== 0
        ? [...little32(once(2) ? int(0, 300) : odd32()), ...little32(once(2) ? 0 : odd32())]
        : [];
      // A token, what it announces, and lengths that go on.
      const sequence = () => [pick([0x00, 0x0f, 0xf0, 0xff, 0x10, 0x1f, below(256)]), ...noise(6)];
      const block = () => {
        const body = many(6, sequence).flat();
        return [...little32(once(3) ? odd32() : body.length | (once(4) ? 2 ** 31 : 0)), ...body];
      };
      return [
        0x04,
        0x22,
        0x4d,
        0x18,
        flags,
        pick([0x40, 0x50, 0x60, 0x70, 0x00, below(256)]),
        ...size,
        below(256),
        ...many(4, block).flat(),
        ...(once(2) ? little32(0) : []),
      ];
    }
    case "gzip":
      return [0x1f, 0x8b, 8, pick([0, 4, 8, 16, 2, 255]), ...noise(60)];
    default:
      return [0x28, 0xb5, 0x2f, 0xfd, ...noise(60)];
  }
}

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const { once, pick, int } = chance;
  const way = pick(WAYS);
  if (once(3)) return { variant: `${way} whole`, input: plain(chance) };
  if (once(3)) return { variant: `${way} hostile`, input: Uint8Array.from(hostile(way, chance)) };
  let body: Uint8Array = Uint8Array.from(compress(codecOf(way), plain(chance), way === "snappy-raw"));
  for (let n = int(1, 3); n > 0; n--) body = mutated(body, below);
  return { variant: `${way} damaged`, input: body };
}

function expand(way: Way, body: Uint8Array, cap: number): Uint8Array | null {
  try {
    return decompress(codecOf(way), body, cap);
  } catch (error) {
    if (error instanceof DecompressError) return null;
    throw error;
  }
}

const equal = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i]);

const judge: Judge = {
  check({ variant, input }): Verdict {
    const [way, kind] = variant.split(" ") as [Way, string];
    if (kind === "whole") {
      const body = compress(codecOf(way), input, way === "snappy-raw");
      // Where others follow and precede it, too.
      const arena = new Uint8Array(body.length + 64).fill(0xff);
      arena.set(body, 32);
      for (const place of [body, arena.subarray(32, 32 + body.length)]) {
        const back = expand(way, place, CAP_BYTES);
        if (back === null || !equal(back, input)) {
          return faulty(way, `${input.length} bytes come back as ${back?.length ?? "a fault"}`);
        }
      }
      if (input.length > 0 && expand(way, body, input.length - 1) !== null) {
        return faulty(way, `${input.length} bytes pass a cap of one less`);
      }
      return sound(way);
    }
    const back = expand(way, input, CAP_BYTES);
    if (back !== null && back.length > CAP_BYTES) return faulty(`${way} taken`, `expands to ${back.length} bytes`);
    return sound(back === null ? `${way} refused` : `${way} taken`);
  },
};

export const codecTarget: Target = {
  name: "codec",
  holds:
    "what was compressed comes back, under each cap that it fits; anything else is refused or within the cap, in bounded time",
  generate,
  open: () => judge,
  shares: {
    gzip: 0.03,
    snappy: 0.03,
    "snappy-raw": 0.03,
    lz4: 0.03,
    zstd: 0.03,
    "gzip refused": 0.03,
    "snappy refused": 0.03,
    "lz4 refused": 0.03,
    "zstd refused": 0.03,
  },
  testCases: 2_000,
  msMax: 1_000,
};
