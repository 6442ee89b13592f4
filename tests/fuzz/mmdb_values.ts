// Place files: whole ones, damaged ones, and ones that were made to hurt. Pure.
import type { MmdbFileOptions, MmdbNetwork, MmdbValue } from "../support/mmdb_writer.ts";
import { writeMmdb } from "../support/mmdb_writer.ts";
import { flat, nested } from "../geo/geo_rig.ts";
import { type Below, type Chance, chanceOf, mutated, spliced } from "./random.ts";

const hex = (below: Below) => below(0x10000).toString(16);

function network(chance: Chance, v6: boolean): Omit<MmdbNetwork, "record"> {
  const { below, int, once, pick } = chance;
  if (!v6) return { address: Array.from({ length: 4 }, () => below(256)).join("."), prefixLength: int(1, 32) };
  const groups = Array.from({ length: 8 }, () => once(3) ? "0" : hex(below));
  // Half of them where visitors are: the rest is never asked for.
  if (once(2)) groups[0] = pick(["2a00", "2001", "2600", "2c0f"]);
  return { address: groups.join(":"), prefixLength: int(1, 128) };
}

/** Records as files have them, and as none should. */
function record(chance: Chance): MmdbValue {
  const { once, pick, int } = chance;
  const name = () =>
    once(20)
      ? "x".repeat(pick([28, 29, 284, 285, 300, 70_000]))
      : pick(["", "Berlin", "São Paulo", "東京", "-", "a\u001fb", "😀"]);
  const code = () => pick(["DE", "us", "AU", "ZZ", "XX", "D", "DEU", ""]);
  if (once(8)) return odd(chance, 0);
  if (once(2)) return { ...flat(code(), name(), name()), ...(once(4) ? { extra: odd(chance, 1) } : {}) };
  return {
    ...nested(code(), once(4) ? undefined : name(), once(4) ? undefined : name()),
    ...(once(6) ? { traits: { n: int(0, 2 ** 32 - 1), yes: once(2) } } : {}),
  };
}

function odd(chance: Chance, depth: number): MmdbValue {
  const { once, pick, many, int } = chance;
  if (depth > 3 || once(3)) return pick<MmdbValue>(["", "x", 0, 2 ** 32 - 1, true, false, int(0, 1e9)]);
  if (once(2)) return many(4, () => odd(chance, depth + 1));
  return Object.fromEntries(
    many(4, () =>
      [
        pick(["country", "country_code", "city", "names", "en", "iso_code", "constructor", "a"]),
        odd(chance, depth + 1),
      ] as const),
  );
}

/** What a file is written from: networks, wider ones first, and what it says of itself. */
export interface MmdbWorld {
  readonly networks: readonly MmdbNetwork[];
  readonly options: MmdbFileOptions & { readonly ipVersion: 4 | 6 };
}

/** A world as a maker of such files has it. */
export function wholeWorld(below: Below): MmdbWorld {
  const chance = chanceOf(below);
  const { pick, once, int } = chance;
  const ipVersion = pick([4, 6] as const);
  const networks = Array.from({ length: int(1, 12) }, () => ({
    ...network(chance, ipVersion === 6 && !once(3)),
    record: record(chance),
  }));
  // Something that makes it a file of places: else it is refused.
  networks.push({
    address: ipVersion === 4 ? "0.0.0.0" : "2000:0:0:0:0:0:0:0",
    prefixLength: 3,
    record: flat("US", "", ""),
  });
  // Seldom so much data that pointers need their third form.
  if (once(200)) networks[0]!.record = { ...flat("DE", "", "x".repeat(530_000)) };
  // Wider networks first, so that narrower ones cut into them and not the other way round.
  const wide = ({ address, prefixLength }: MmdbNetwork) =>
    prefixLength + (address.includes(".") && ipVersion === 6 ? 96 : 0);
  networks.sort((a, b) => wide(a) - wide(b));
  const pointers = pick([undefined, "short", "long"] as const);
  const options = {
    recordSize: pick([24, 28, 32] as const),
    ipVersion,
    ...(pointers !== undefined && { pointers }),
    ...(once(4) &&
      {
        databaseType: pick(["DBIP-City-Lite", "", "GeoLite2-City"]),
        buildEpoch: pick([0, 1, 2 ** 31, 2 ** 32 - 1]),
        languages: pick([[], ["en", "de"]]),
      }),
  };
  return { networks, options };
}

/** A whole file with some small damages, or a part of it. */
export function damagedFile(below: Below): Uint8Array<ArrayBuffer> {
  const { once, int } = chanceOf(below);
  const { networks, options } = wholeWorld(below);
  const bytes = writeMmdb(networks, options);
  if (once(4)) {
    // The end holds the description.
    const at = once(2) ? 0 : Math.max(0, bytes.length - int(1, 200));
    return spliced(bytes, at, bytes.length, mutated(bytes.subarray(at), below));
  }
  for (let n = int(1, 6); n > 0; n--) {
    const at = below(bytes.length);
    bytes[at] = once(2) ? below(256) : bytes[at]! ^ (1 << below(8));
  }
  return bytes;
}

const text = (value: string) => {
  const bytes = new TextEncoder().encode(value);
  return [...control(2, bytes.length), ...bytes];
};
const control = (type: number, size: number): number[] => {
  const small = size < 29 ? size : size < 285 ? 29 : size < 65_821 ? 30 : 31;
  const first = type <= 7 ? [(type << 5) | small] : [small, type - 7];
  const rest = small < 29
    ? []
    : small === 29
    ? [size - 29]
    : small === 30
    ? [(size - 285) >> 8, (size - 285) & 255]
    : [(size - 65_821) >> 16, ((size - 65_821) >> 8) & 255, (size - 65_821) & 255];
  return [...first, ...rest];
};
const bytesOf = (value: bigint, size: number) =>
  Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * (size - 1 - i))) & 255n));
const double = (value: number) => [...control(3, 8), ...new Uint8Array(new Float64Array([value]).buffer).reverse()];
const unsigned = (type: number, value: bigint, size: number) => [...control(type, size), ...bytesOf(value, size)];
const pointer = (offset: number) => [0x38, ...bytesOf(BigInt(offset), 4)];

/** Values that a description may hold where it should hold a small number, a text or a list. */
function hostileValue({ pick, once, below }: Chance): number[] {
  return pick([
    () => unsigned(6, BigInt(pick([0, 1, 2, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])), 4),
    () => unsigned(5, BigInt(below(65_536)), 2),
    () => unsigned(9, pick([0n, 1n, 2n ** 63n, 2n ** 64n - 1n, 8_640_000_000_001n]), 8),
    () => unsigned(10, 2n ** 128n - 1n, 16),
    () => unsigned(8, BigInt.asUintN(32, -1n), 4),
    () => double(pick([NaN, Infinity, -1, 0.5, 1.5, 24, 1e300])),
    () => text(pick(["", "24", "x".repeat(1000)])),
    () => [...control(14, once(2) ? 1 : 0)],
    () => [...control(7, 0)],
    () => [...control(11, 3), ...text("en"), ...unsigned(6, 7n, 4), ...control(7, 0)],
    () => control(11, pick([1_000, 16_843_036])),
    () => control(7, pick([1_000, 16_843_036])),
    () => control(2, pick([1_000, 16_843_036])),
    () => pointer(0),
    () => pointer(pick([1, 2 ** 31, 2 ** 32 - 1])),
    () => [0],
    () => [],
  ])();
}

/** Data that a small file can hold and that would take hours, or the whole stack, to read. */
function hostileData(chance: Chance): number[] {
  const { pick, int, once } = chance;
  const place = [...control(7, 1), ...text("country_code"), ...text("DE")];
  return pick([
    // The record leads to itself.
    () => pointer(0),
    () => [...control(7, 2), ...text("country_code"), ...text("DE"), ...text("self"), ...pointer(0)],
    () => [...control(11, 2), ...pointer(0), ...pointer(0)],
    // Two that lead to each other.
    () => [...control(11, 1), ...pointer(6), ...control(11, 1), ...pointer(0)],
    // A list of pointers to a list of pointers to …: 2^depth or more values in a few hundred bytes.
    () => {
      const width = int(2, 20), depth = once(2) ? int(4, 14) : int(20, 60), out: number[] = [];
      let next = 0;
      for (let level = 0; level < depth; level++) {
        next = out.length + control(11, width).length + 5 * width;
        out.push(...control(11, width), ...Array.from({ length: width }, () => pointer(next)).flat());
      }
      return [...out, ...(once(2) ? place : control(7, 0))];
    },
    // The same under a place that is one.
    () => {
      const width = 16, out = [...control(7, 2), ...text("country_code"), ...text("DE"), ...text("x")];
      for (let level = 0; level < 10; level++) {
        const next = out.length + control(11, width).length + 5 * width;
        out.push(...control(11, width), ...Array.from({ length: width }, () => pointer(next)).flat());
      }
      return [...out, ...text("end")];
    },
    // Nested deeper than any stack.
    () => [...Array.from({ length: int(10, 30_000) }, () => control(11, 1)).flat(), ...text("x")],
    () => [...Array.from({ length: int(10, 10_000) }, () => [...control(7, 1), ...text("a")]).flat(), ...text("x")],
    // Sizes beyond the end.
    () => control(11, 16_843_036),
    () => control(7, 16_843_036),
    () => control(2, 16_843_036),
    // Keys that are no texts, or that an object has of its own.
    () => [...control(7, 2), ...unsigned(6, 1n, 4), ...text("x"), ...control(7, 0), ...text("y")],
    () => [
      ...control(7, 2),
      ...text("__proto__"),
      ...control(7, 1),
      ...text("country_code"),
      ...text("FR"),
      ...text("country_code"),
      ...text("DE"),
    ],
    () => [...control(7, 1), ...text("country"), ...control(11, 1), ...text("iso_code")],
    // Types that do not exist, or only within files.
    () => [0, pick([0, 5, 6, 9, 200])],
    () => [...control(7, 1), ...text("country_code"), ...control(2, 3), 0xff, 0xfe, 0x80],
    () => place,
  ])();
}

const MARKER = [0xab, 0xcd, 0xef, ...new TextEncoder().encode("MaxMind.com")];

/** A file of one place whose tree, data or description is made to hurt. */
export function hostileFile(below: Below): Uint8Array<ArrayBuffer> {
  const chance = chanceOf(below);
  const { once, pick, int } = chance;
  const part = pick(["tree", "data", "description"]);
  const recordSize = pick([24, 28, 32]), nodes = part === "tree" ? int(1, 300) : 1;
  // Where a branch leads: to the data, to a node (a circle, mostly), nowhere, or out of the file.
  const branch = () =>
    part !== "tree" || once(2)
      ? nodes + 16
      : pick([int(0, nodes), nodes + 15, nodes + 17, 2 ** recordSize - 1, nodes + 16 + int(0, 400)]);
  const tree = Array.from({ length: nodes }, () => node(branch(), branch(), recordSize)).flat();
  const data = part === "data" ? hostileData(chance) : [...control(7, 1), ...text("country_code"), ...text("DE")];
  const fields: Record<string, number[]> = {
    binary_format_major_version: unsigned(5, 2n, 2),
    binary_format_minor_version: unsigned(5, 0n, 2),
    build_epoch: unsigned(9, 1_700_000_000n, 8),
    database_type: text("x city"),
    description: control(7, 0),
    ip_version: unsigned(5, BigInt(pick([4, 6])), 2),
    languages: control(11, 0),
    node_count: unsigned(6, BigInt(nodes), 4),
    record_size: unsigned(5, BigInt(recordSize), 2),
  };
  if (part === "description") {
    for (let n = int(1, 2); n > 0; n--) {
      const name = pick(Object.keys(fields));
      if (once(8)) delete fields[name];
      else fields[name] = hostileValue(chance);
    }
  }
  const entries = Object.entries(fields).flatMap(([name, value]) => [...text(name), ...value]);
  const spare = Array.from({ length: 14 - Object.keys(fields).length }, (_, i) => [...text(`spare ${i}`), 0xa0]).flat();
  const description = part === "description" && once(8)
    ? hostileData(chance)
    : [...control(7, Object.keys(fields).length), ...entries];
  // A description that nothing is wrong with, but the library's search misses its marker and goes on to the one before.
  const decoy = part === "description" && once(8)
    ? [...MARKER, ...control(7, 15), ...text("axMind.com 42"), ...control(7, 0), ...entries, ...spare]
    : [];
  return Uint8Array.from([...tree, ...new Array<number>(16).fill(0), ...data, ...MARKER, ...description, ...decoy]);
}

function node(left: number, right: number, recordSize: number): number[] {
  if (recordSize !== 28) return [...bytesOf(BigInt(left), recordSize / 8), ...bytesOf(BigInt(right), recordSize / 8)];
  return [
    ...bytesOf(BigInt(left) & 0xffffffn, 3),
    (((left >>> 24) & 15) << 4) | ((right >>> 24) & 15),
    ...bytesOf(BigInt(right) & 0xffffffn, 3),
  ];
}
