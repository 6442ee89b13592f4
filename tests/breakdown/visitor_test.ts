// Visitors: who is the same, who is another, and that a salt hides them.
import { assert, assertEquals } from "@std/assert";
import { KEY_BYTES, SipHasher, type SipKey, sipKey } from "../../src/breakdown/siphash.ts";
import { updateOf } from "../../src/breakdown/sketch.ts";
import { Sketch } from "../support/sketch.ts";
import { ADDRESS_BYTES_MAX, VisitorHasher } from "../../src/breakdown/visitor.ts";

const encoder = new TextEncoder();
const salt = (byte: number) => sipKey(new Uint8Array(KEY_BYTES).fill(byte));

function update(hasher: VisitorHasher, key: SipKey, address: string, agent: string): number {
  const agentBytes = encoder.encode(agent), addressBytes = encoder.encode(address);
  hasher.hashAgent(key, agentBytes, 0, agentBytes.length);
  return hasher.update(key, addressBytes, 0, addressBytes.length, hasher.agentHigh, hasher.agentLow);
}

Deno.test("VisitorHasher.update() is the hash of the agent's hash and the address", () => {
  const key = salt(3),
    agent = encoder.encode("Mozilla/5.0"),
    address = encoder.encode("203.0.113.7"),
    sip = new SipHasher();
  sip.hash(key, agent, 0, agent.length);
  const both = new Uint8Array(8 + address.length);
  new DataView(both.buffer).setInt32(0, sip.high);
  new DataView(both.buffer).setInt32(4, sip.low);
  both.set(address, 8);
  sip.hash(key, both, 0, both.length);
  assertEquals(update(new VisitorHasher(), key, "203.0.113.7", "Mozilla/5.0"), updateOf(sip.high, sip.low));
});

Deno.test("VisitorHasher.update() reads its part of the bytes only, whatever it hashed before", () => {
  const hasher = new VisitorHasher(), key = salt(1);
  const expected = update(new VisitorHasher(), key, "203.0.113.7", "a");
  for (const before of ["2001:db8::1", "", "x".repeat(200)]) {
    update(hasher, key, before, before);
    assertEquals(update(hasher, key, "203.0.113.7", "a"), expected);
  }
  const around = encoder.encode("1203.0.113.74"), agent = encoder.encode("a");
  hasher.hashAgent(key, agent, 0, 1);
  assertEquals(hasher.update(key, around, 1, around.length - 1, hasher.agentHigh, hasher.agentLow), expected);
  const long = "f".repeat(ADDRESS_BYTES_MAX);
  assertEquals(update(hasher, key, `${long}1`, "a"), update(hasher, key, `${long}2`, "a"));
});

Deno.test("VisitorHasher.update() tells addresses and agents apart, and says nothing across salts", () => {
  const hasher = new VisitorHasher();
  const addresses = Array.from({ length: 100 }, (_, i) => `203.0.113.${i}`);
  const agents = Array.from({ length: 100 }, (_, i) => `Mozilla/5.0 (${i})`);
  const ofSalt = (byte: number, sketch: Sketch) => {
    const key = salt(byte);
    return addresses.flatMap((address) =>
      agents.map((agent) => {
        const one = update(hasher, key, address, agent);
        sketch.add(one);
        return one;
      })
    );
  };
  const first = new Sketch(), both = new Sketch();
  const one = ofSalt(1, first);
  both.merge(first);
  const two = ofSalt(2, both);
  assert(Math.abs(first.estimate() / 10_000 - 1) < 0.03, `${first.estimate()}`);
  // The same visitors under another salt are as many others.
  assert(Math.abs(both.estimate() / 20_000 - 1) < 0.03, `${both.estimate()}`);
  assert(one.filter((update, i) => update === two[i]).length < 20);
});
