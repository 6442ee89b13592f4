// Which register of a sketch a visitor sets: a keyed hash of the client's address and user agent. No I/O; a hasher changes itself.
// Hot path. The agent is hashed by itself, so that its hash can be kept beside the interned agent: the rest is then 24 bytes for most
// addresses and takes 0.13 µs, not 0.9.
import { SipHasher, type SipKey } from "./siphash.ts";
import { updateOf } from "./sketch.ts";

/** The salt of one UTC day of event time. */
export interface VisitorSalt {
  /** Its id in the database. */
  readonly id: string;
  readonly key: SipKey;
  /** Differs between any two salts that a process has had. */
  readonly number: number;
}

const AGENT_HASH_BYTES = 8;
/** Longest part of an agent that is hashed; real ones have fewer than 300 bytes. It bounds the cost of one hostile value. */
export const AGENT_BYTES_MAX = 1024;
/** Longest address that is read. The longest text of an address of either family has 45 characters. */
export const ADDRESS_BYTES_MAX = 64;

/** Hashes visitors. Every salt (the key of one UTC day of event time) gives other hashes of the same visitor. */
export class VisitorHasher {
  readonly #sip = new SipHasher();
  readonly #bytes = new Uint8Array(AGENT_HASH_BYTES + ADDRESS_BYTES_MAX);
  readonly #view = new DataView(this.#bytes.buffer);

  /** Upper and lower 32 bits of the last {@link VisitorHasher.hashAgent}, for the caller to keep until the salt changes. */
  get agentHigh(): number {
    return this.#sip.high;
  }
  get agentLow(): number {
    return this.#sip.low;
  }

  /** Hashes the agent `bytes[start, end)`, of which the first {@link AGENT_BYTES_MAX} count; a missing one is empty. */
  hashAgent(salt: SipKey, bytes: Uint8Array, start: number, end: number): void {
    this.#sip.hash(salt, bytes, start, Math.min(end, start + AGENT_BYTES_MAX));
  }

  /**
   * The update of the visitor with the address `bytes[start, end)`, of which the first {@link ADDRESS_BYTES_MAX} count, and an agent of that
   * hash under the same salt.
   */
  update(salt: SipKey, bytes: Uint8Array, start: number, end: number, agentHigh: number, agentLow: number): number {
    const length = Math.min(end - start, ADDRESS_BYTES_MAX);
    for (let i = 0; i < length; i++) this.#bytes[AGENT_HASH_BYTES + i] = bytes[start + i]!;
    return this.#update(salt, length, agentHigh, agentLow);
  }

  /** As {@link VisitorHasher.update}, for the address in the first `count` of `words`, most significant first: 1 for IPv4, 4 for IPv6. */
  updateOfWords(salt: SipKey, words: Uint32Array, count: number, agentHigh: number, agentLow: number): number {
    for (let i = 0; i < count; i++) this.#view.setUint32(AGENT_HASH_BYTES + 4 * i, words[i]!);
    return this.#update(salt, 4 * count, agentHigh, agentLow);
  }

  #update(salt: SipKey, addressBytes: number, agentHigh: number, agentLow: number): number {
    this.#view.setInt32(0, agentHigh);
    this.#view.setInt32(4, agentLow);
    this.#sip.hash(salt, this.#bytes, 0, AGENT_HASH_BYTES + addressBytes);
    return updateOf(this.#sip.high, this.#sip.low);
  }
}
