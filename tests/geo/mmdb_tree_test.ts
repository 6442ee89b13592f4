// The tree walk against the library's own lookup, on generated files of every record size and version.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Reader, type Response } from "maxmind";
import { Buffer } from "node:buffer";
import { formatV4, formatV6 } from "../../src/geo/address.ts";
import { MmdbTree, NOT_FOUND } from "../../src/geo/mmdb_tree.ts";
import { type MmdbNetwork, writeMmdb } from "../support/mmdb_writer.ts";
import { V4_NETWORKS, V6_NETWORKS } from "./geo_rig.ts";

const seed = Number(Deno.env.get("SEED") ?? 20261122);
const word = fc.nat(0xffff_ffff);

interface World {
  readonly networks: MmdbNetwork[];
  readonly recordSize: 24 | 28 | 32;
  readonly ipVersion: 4 | 6;
}

const v4Network = fc.tuple(word, fc.integer({ min: 1, max: 32 }))
  .map(([address, prefixLength]) => ({ address: formatV4(address), prefixLength }));
const v6Network = fc.tuple(word, word, word, word, fc.integer({ min: 1, max: 128 }))
  .map(([a, b, c, d, prefixLength]) => ({ address: formatV6(Uint32Array.of(a, b, c, d)), prefixLength }));

const world: fc.Arbitrary<World> = fc.tuple(
  fc.array(v4Network, { minLength: 1, maxLength: 40 }),
  fc.array(v6Network, { maxLength: 40 }),
  fc.constantFrom(24 as const, 28 as const, 32 as const),
  fc.constantFrom(4 as const, 6 as const),
).map(([v4, v6, recordSize, ipVersion]) => ({
  networks: [...v4, ...(ipVersion === 6 ? v6 : [])]
    // Wider networks first, so that narrower ones cut into them and not the other way round.
    .sort((a, b) => a.prefixLength - b.prefixLength)
    .map((network, i) => ({ ...network, record: { country_code: "AA", city: `c${i % 23}` } })),
  recordSize,
  ipVersion,
}));

/** First and last address of a network and the addresses on both sides of it, where the caches and walks go wrong. */
function edges(address: string, prefixLength: number): Uint32Array[] {
  const v4 = address.includes(".");
  const parts = v4 ? address.split(".").map(Number) : address.split(":").map((group) => parseInt(group, 16));
  const width = v4 ? 8n : 16n, bits = v4 ? 32n : 128n;
  const value = parts.reduce((sum, part) => (sum << width) | BigInt(part), 0n);
  const size = 1n << (bits - BigInt(prefixLength));
  const first = value / size * size;
  return [first - 1n, first, first + size - 1n, first + size, value]
    .map((edge) => BigInt.asUintN(Number(bits), edge))
    .map((edge) =>
      v4
        ? Uint32Array.of(Number(edge))
        : Uint32Array.from([96n, 64n, 32n, 0n], (shift) => Number((edge >> shift) & 0xffff_ffffn))
    );
}

Deno.test("find4() and find6() find what the library finds, also at the edges of networks", () => {
  fc.assert(
    fc.property(world, fc.array(word, { maxLength: 40 }), ({ networks, recordSize, ipVersion }, random) => {
      const bytes = writeMmdb(networks, { recordSize, ipVersion });
      const reader = new Reader<Response>(Buffer.from(bytes.buffer));
      const tree = new MmdbTree(bytes, reader.metadata);
      const byRecord = new Map<number, string>();
      const compare = (record: number, address: string) => {
        const found = reader.get(address) as unknown;
        const expected = found === null ? null : JSON.stringify(found);
        assertEquals(record !== NOT_FOUND, expected !== null, address);
        if (expected === null) return;
        // The record's number stands for its content: one number, one content.
        assertEquals(byRecord.get(record) ?? expected, expected, address);
        byRecord.set(record, expected);
      };
      for (const { address, prefixLength } of networks) {
        for (const words of edges(address, prefixLength)) {
          if (words.length === 1) compare(tree.find4(words[0]!), formatV4(words[0]!));
          else compare(tree.find6(words), formatV6(words));
        }
      }
      for (const address of random) compare(tree.find4(address), formatV4(address));
      if (ipVersion === 6) {
        for (let i = 0; i + 3 < random.length; i += 4) {
          const words = Uint32Array.from(random.slice(i, i + 4));
          compare(tree.find6(words), formatV6(words));
        }
      }
    }),
    { seed, numRuns: 300 },
  );
});

Deno.test("find4() reads all bits of a record", () => {
  // One node whose records are larger than any file of a test could need.
  const nodes: readonly (readonly [recordSize: number, node: number[], left: number, right: number])[] = [
    [24, [0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba], 0xabcdef, 0xfedcba],
    [28, [0xbc, 0xde, 0xf1, 0xaf, 0xed, 0xcb, 0xa9], 0xabcdef1, 0xfedcba9],
    [32, [0xab, 0xcd, 0xef, 0x12, 0xfe, 0xdc, 0xba, 0x98], 0xabcdef12, 0xfedcba98],
  ];
  for (const [recordSize, node, left, right] of nodes) {
    const tree = new MmdbTree(Uint8Array.from(node), { nodeCount: 1, recordSize, ipVersion: 4 });
    assertEquals([tree.find4(0), tree.find4(0x80000000)], [left, right], `${recordSize} bits`);
  }
});

Deno.test("hasV4 tells a file for IPv6 alone from a combined one", () => {
  const treeOf = (networks: readonly MmdbNetwork[], ipVersion: 4 | 6) => {
    const bytes = writeMmdb(networks, { ipVersion });
    return new MmdbTree(bytes, new Reader<Response>(Buffer.from(bytes.buffer)).metadata);
  };
  assertEquals(treeOf(V4_NETWORKS, 4).hasV4, true);
  assertEquals(treeOf(V6_NETWORKS, 6).hasV4, false);
  assertEquals(treeOf([...V4_NETWORKS, ...V6_NETWORKS], 6).hasV4, true);
});

Deno.test("sample() ends in a network of even a nearly empty tree, and names an address inside it", () => {
  const bytes = writeMmdb([{ address: "203.7.8.9", prefixLength: 32, record: { country_code: "AU" } }]);
  const tree = new MmdbTree(bytes, new Reader<Response>(Buffer.from(bytes.buffer)).metadata);
  const words = new Uint32Array(4);
  for (const side of [0, 1]) {
    const record = tree.sample(() => side, words);
    assert(record !== NOT_FOUND);
    assertEquals(formatV4(words[0]!), "203.7.8.9");
    assertEquals(tree.find4(words[0]!), record);
  }
});

Deno.test("sample() throws when a tree goes in a circle", () => {
  // One node of two 24-bit records that both lead to itself.
  const tree = new MmdbTree(new Uint8Array(6), { nodeCount: 1, recordSize: 24, ipVersion: 4 });
  assertThrows(() => tree.sample(() => 1, new Uint32Array(4)), Error, "deeper");
  assertEquals(tree.find4(0x01020304), NOT_FOUND);
});
