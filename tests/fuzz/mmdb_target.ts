// Place files: whole ones give the places that were written into them; damaged and hostile ones are refused by name or answer unknown, in bounded
// time. Both whatever memory the file lies in, and whatever lies around it there. What a damaged file still answers is what the library answers by
// itself: our walk of the tree, whose records the guard looks at, and the library's, whose records are read, end at the same ones.
import { Buffer } from "node:buffer";
import { Reader, type Response } from "maxmind";
import { formatV4, formatV6 } from "../../src/geo/address.ts";
import { type MmdbFile, openMmdbBytes } from "../../src/geo/mmdb/file.ts";
import { placeOf } from "../../src/geo/mmdb/schema.ts";
import { NOT_FOUND } from "../../src/geo/mmdb/tree.ts";
import { type Place, UNKNOWN_PLACE } from "../../src/geo/port.ts";
import { UsageError } from "../../src/shared/errors.ts";
import { type MmdbNetwork, writeMmdb } from "../support/mmdb_writer.ts";
import { damagedFile, hostileFile, type MmdbWorld, wholeWorld } from "./mmdb_values.ts";
import { type Below, chanceOf, randomBelow } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, type Verdict } from "./target.ts";

const ADDRESSES = 40;

function generate(below: Below): Case {
  const { once } = chanceOf(below);
  // The seed of its world: what was written is known only from that.
  if (once(3)) return { variant: "whole", input: Uint8Array.from({ length: 4 }, () => below(256)) };
  return once(2)
    ? { variant: "damaged", input: damagedFile(below) }
    : { variant: "hostile", input: hostileFile(below) };
}

interface Tree {
  readonly nodeCount: number;
  readonly recordSize: number;
}

/** One branch of a node, bit by bit. */
function branch(bytes: Uint8Array, { recordSize }: Tree, node: number, right: number): number {
  const bits = (from: number, count: number) => {
    let value = 0;
    for (let bit = from; bit < from + count; bit++) value = value * 2 + ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1);
    return value;
  };
  const first = node * recordSize * 2;
  if (recordSize !== 28) return bits(first + right * recordSize, recordSize);
  // The middle byte holds the highest bits of both.
  return right === 0
    ? bits(first + 24, 4) * 2 ** 24 + bits(first, 24)
    : bits(first + 28, 4) * 2 ** 24 + bits(first + 32, 24);
}

/**
 * Addresses to ask for: random ones, ones in networks that a walk down the tree finds, and ones that differ from these in one bit, so that the edges
 * of networks are met.
 */
function addresses(bytes: Uint8Array, tree: Tree | null, v6: boolean): (number | Uint32Array)[] {
  const below = randomBelow(bytes.length * 31 + (bytes[bytes.length >> 1] ?? 0));
  const word = () => below(0x10000) * 0x10000 + below(0x10000);
  const found: (number | Uint32Array)[] = [];
  for (let i = 0; i < ADDRESSES; i++) {
    const words = Uint32Array.from([word(), word(), word(), word()]);
    let depth = 0;
    for (let at = 0; tree !== null && i % 4 !== 0 && at < tree.nodeCount && depth < (v6 ? 128 : 32); depth++) {
      // Half of the walks go below ::/96, where addresses of the other family lie. All mostly stay in the tree, as long as they can.
      const inner = [0, 1].filter((side) => branch(bytes, tree, at, side) < tree.nodeCount);
      const free = inner.length === 1 && below(16) > 0 ? inner[0]! : below(2);
      const right = i % 2 === 0 && depth < 96 && v6 ? 0 : free, mask = 1 << (31 - (depth & 31));
      words[depth >> 5] = right === 0 ? words[depth >> 5]! & ~mask : words[depth >> 5]! | mask;
      at = branch(bytes, tree, at, right);
    }
    const near = Uint32Array.from(words), flip = Math.max(0, depth - 1 - below(2) * below(32));
    near[flip >> 5]! ^= 1 << (31 - (flip & 31));
    for (const one of [words, near]) {
      if (!v6) found.push(one[0]!);
      else found.push(one, one[3]!);
    }
  }
  return found;
}

interface Answer {
  readonly found: boolean;
  readonly place: Place;
}

function ask(file: MmdbFile, address: number | Uint32Array): Answer {
  const record = typeof address === "number" ? file.find4(address) : file.find6(address);
  if (record === NOT_FOUND) return { found: false, place: UNKNOWN_PLACE };
  return { found: true, place: typeof address === "number" ? file.placeOf4(address) : file.placeOf6(address) };
}

/** What the library makes of the same address; a record that it cannot read is an unknown place, too. */
function askLibrary(reader: Reader<Response>, address: number | Uint32Array): Answer {
  try {
    const record: unknown = reader.get(typeof address === "number" ? formatV4(address) : formatV6(address));
    return record === null ? { found: false, place: UNKNOWN_PLACE } : { found: true, place: placeOf(record) };
  } catch {
    return { found: true, place: UNKNOWN_PLACE };
  }
}

/** A network or an address as its bits, in the width of the file's addresses. */
function bitsOf(text: string, v6: boolean): bigint {
  const v4 = text.includes(".");
  const parts = v4 ? text.split(".").map(Number) : text.split(":").map((group) => parseInt(group, 16));
  const value = parts.reduce((sum, part) => (sum << (v4 ? 8n : 16n)) | BigInt(part), 0n);
  return v4 && !v6 ? value << 96n : value;
}

/** What was written for an address: the last network that holds it, as later ones cut into earlier ones. */
function askWorld({ networks, options }: MmdbWorld, address: number | Uint32Array): Answer {
  const v6 = options.ipVersion === 6;
  const bits = bitsOf(typeof address === "number" ? formatV4(address) : formatV6(address), v6);
  const holds = ({ address, prefixLength }: MmdbNetwork) => {
    const length = prefixLength + (address.includes(".") && v6 ? 96 : 0);
    return (bits ^ bitsOf(address, v6)) >> BigInt(128 - length) === 0n;
  };
  const network = networks.findLast(holds);
  return network === undefined
    ? { found: false, place: UNKNOWN_PLACE }
    : { found: true, place: placeOf(network.record) };
}

/** `null` where the library refuses the file, for the sake of fields that we do not read. */
function openLibrary(bytes: Uint8Array): Reader<Response> | null {
  try {
    return new Reader<Response>(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch {
    return null;
  }
}

function open(bytes: Uint8Array): MmdbFile | null {
  try {
    return openMmdbBytes(bytes, "x.mmdb");
  } catch (error) {
    if (error instanceof UsageError && error.code === "bad_geo_file") return null;
    throw error;
  }
}

/** What a file says of itself where it should say something else. */
function wrongFacts({ options }: MmdbWorld, { facts, brokenRecords }: MmdbFile): string | null {
  const { buildEpoch = 1_700_000_000, databaseType = "test city", ipVersion } = options;
  const said = [facts.buildTime, facts.databaseType, facts.v6, brokenRecords];
  const written = [buildEpoch * 1000, databaseType, ipVersion === 6, 0];
  return JSON.stringify(said) === JSON.stringify(written)
    ? null
    : `it says ${JSON.stringify(said)}, written was ${JSON.stringify(written)}`;
}

const same = (a: Answer, b: Answer) => a.found === b.found && JSON.stringify(a.place) === JSON.stringify(b.place);

const judge: Judge = {
  check({ variant, input: given }): Verdict {
    const world = variant === "whole"
      ? wholeWorld(randomBelow(given.reduce((seed, byte) => seed * 256 + byte, 0)))
      : null;
    const input = world === null ? given : writeMmdb(world.networks, world.options);
    const file = open(input);
    // The same bytes where others follow and precede them, in memory that threads share.
    const arena = new Uint8Array(new SharedArrayBuffer(input.length + 256)).fill(0xff);
    arena.set(input, 128);
    const amid = open(arena.subarray(128, 128 + input.length));
    if ((file === null) !== (amid === null)) {
      return faulty(variant, "it depends on what lies around it whether it is taken");
    }
    if (file === null || amid === null) {
      return variant === "whole" ? faulty(variant, "a whole file is refused") : sound(`${variant} refused`);
    }
    const { facts } = file;
    if (!Number.isSafeInteger(facts.buildTime) || Number.isNaN(new Date(facts.buildTime).getTime())) {
      return faulty(variant, `it was built at ${facts.buildTime}`);
    }
    if (typeof facts.databaseType !== "string") return faulty(variant, `its type is ${facts.databaseType}`);
    // The library has no bounds: what was made to hurt would hurt it.
    const reader = variant === "hostile" ? null : openLibrary(input);
    const asked = addresses(input, reader?.metadata ?? null, facts.v6)
      .filter((address) => typeof address === "number" ? facts.v4 : facts.v6);
    const answers = asked.map((address) => ask(file, address));
    for (const [i, address] of asked.entries()) {
      const here = answers[i]!;
      if (!same(here, ask(amid, address))) return faulty(variant, `${address} depends on what lies around the file`);
      if (!/^([A-Z]{2}|unknown)$/.test(here.place.countryCode)) {
        return faulty(variant, `${address} lies in ${here.place.countryCode}`);
      }
    }
    if (reader === null) {
      return variant === "whole" ? faulty(variant, "the library refuses it") : sound(`${variant} taken`);
    }
    for (const [i, address] of asked.entries()) {
      const ours = answers[i]!, theirs = world === null ? askLibrary(reader, address) : askWorld(world, address);
      const given = variant === "damaged" && ours.place.countryCode === UNKNOWN_PLACE.countryCode;
      if (!same(ours, theirs) && !(given && file.brokenRecords > 0)) {
        const name = typeof address === "number" ? formatV4(address) : formatV6(address);
        const source = world === null ? "the library says" : "written was";
        return faulty(variant, `${name} is ${JSON.stringify(ours)}, ${source} ${JSON.stringify(theirs)}`);
      }
    }
    const wrong = world === null ? null : wrongFacts(world, file);
    if (wrong !== null) return faulty(variant, wrong);
    return sound(variant === "whole" ? "whole" : "damaged taken");
  },
};

export const mmdbTarget: Target = {
  name: "mmdb",
  holds:
    "a whole place file gives the places that were written; a damaged or hostile one is refused by name or answers unknown, in bounded time, in any memory",
  generate,
  open: () => judge,
  shares: { whole: 0.2, "damaged refused": 0.05, "damaged taken": 0.05, "hostile refused": 0.1, "hostile taken": 0.03 },
  testCases: 1_500,
  // A reload happens while the stream runs.
  msMax: 2_000,
};
