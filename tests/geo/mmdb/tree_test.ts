// The tree walk by hand; tests/fuzz holds it against what was written and the library's own lookup, on files of every record size and version.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Reader, type Response } from "maxmind";
import { Buffer } from "node:buffer";
import { formatV4 } from "../../../src/geo/address.ts";
import { MmdbTree, NOT_FOUND } from "../../../src/geo/mmdb/tree.ts";
import { type MmdbNetwork, writeMmdb } from "../../support/mmdb_writer.ts";
import { V4_NETWORKS, V6_NETWORKS } from "../geo_rig.ts";

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
