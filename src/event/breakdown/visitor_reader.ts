// The visitor of the event that was read last: its update of a sketch under a salt. No I/O; hot path.
// An agent is hashed once for each token and salt, beside its verdict. The counter asks only for events that count as visits.
import { AGENT_BYTES_MAX, VisitorHasher, type VisitorSalt } from "../../breakdown/visitor.ts";
import type { PlaceLocator } from "../../geo/port.ts";
import { grown } from "../../shared/typed_tables.ts";
import type { BotVerdicts } from "../bots.ts";
import { tokenText } from "../json_token.ts";

const BACKSLASH = 0x5c;
const NO_SLOT = -1;
const FIRST_SLOTS = 1 << 9;
/** Visitors of IPv4 addresses whose update is remembered, by bits: they mostly come again soon. Four numbers each. */
const RECENT_BITS = 12;
const RECENT_FIELDS = 4;

/** Keeps where agent and address of the last event are; their bytes must not change before the next event. */
export class VisitorReader {
  readonly #verdicts: BotVerdicts;
  readonly #locator: PlaceLocator;
  readonly #hasher = new VisitorHasher();
  readonly #encoder = new TextEncoder();
  #bytes: Uint8Array = new Uint8Array(0);
  #agentStart = 0;
  #agentEnd = 0;
  #isToken = false;
  #slot = NO_SLOT;
  #addressBytes: Uint8Array = new Uint8Array(0);
  #addressStart = 0;
  #addressEnd = 0;
  /** By agent slot: number of the salt of its hash (0 = none), and the hash. */
  #salts = new Int32Array(FIRST_SLOTS);
  #highs = new Int32Array(FIRST_SLOTS);
  #lows = new Int32Array(FIRST_SLOTS);
  /** Direct-mapped: address, agent slot, number of the salt (0 = free), update. */
  readonly #recent = new Int32Array(RECENT_FIELDS << RECENT_BITS);
  /** Emptyings of `verdicts` that these arrays know of: each gives the slots to other agents. */
  #emptied = 0;

  constructor(verdicts: BotVerdicts, locator: PlaceLocator) {
    this.#verdicts = verdicts;
    this.#locator = locator;
  }

  get memoryBytes(): number {
    return this.#salts.byteLength + this.#highs.byteLength + this.#lows.byteLength + this.#recent.byteLength;
  }

  /** Takes the agent token and the address of an event, both in `b`. The token is the one that `verdicts` was asked for last. */
  take(b: Uint8Array, agentStart: number, agentEnd: number, addressStart: number, addressEnd: number): void {
    this.#bytes = this.#addressBytes = b;
    this.#agentStart = agentStart;
    this.#agentEnd = agentEnd;
    this.#isToken = true;
    this.#slot = this.#verdicts.slot;
    this.#addressStart = addressStart;
    this.#addressEnd = addressEnd;
  }

  /** Takes the agent's text. */
  takeText(agent: string, address: Uint8Array): void {
    this.#bytes = this.#encoder.encode(agent);
    this.#agentStart = 0;
    this.#agentEnd = this.#bytes.length;
    this.#isToken = false;
    this.#slot = NO_SLOT;
    this.#addressBytes = address;
    this.#addressStart = 0;
    this.#addressEnd = address.length;
  }

  /** The update of a sketch for this visitor. */
  update(salt: VisitorSalt): number {
    if (this.#emptied !== this.#verdicts.emptied) this.#forgetSlots();
    const { family, words } = this.#locator, slot = this.#slot;
    if (family !== 4 || slot === NO_SLOT) return this.#hash(salt);
    const recent = this.#recent, address = words[0]! | 0;
    const at = (Math.imul(address ^ Math.imul(slot, 0x85ebca6b), 0x9e3779b1) >>> (32 - RECENT_BITS)) * RECENT_FIELDS;
    if (recent[at] === address && recent[at + 1] === slot && recent[at + 2] === salt.number) return recent[at + 3]!;
    const update = this.#hash(salt);
    recent[at] = address;
    recent[at + 1] = slot;
    recent[at + 2] = salt.number;
    recent[at + 3] = update;
    return update;
  }

  #hash(salt: VisitorSalt): number {
    const hasher = this.#hasher, { key } = salt, slot = this.#slot;
    let high = 0, low = 0;
    if (slot !== NO_SLOT && this.#salts[slot] === salt.number) {
      high = this.#highs[slot]!;
      low = this.#lows[slot]!;
    } else {
      this.#hashAgent(salt);
      high = hasher.agentHigh;
      low = hasher.agentLow;
      if (slot !== NO_SLOT) this.#keep(slot, salt.number, high, low);
    }
    const locator = this.#locator;
    return locator.family === 0
      ? hasher.update(key, this.#addressBytes, this.#addressStart, this.#addressEnd, high, low)
      : hasher.updateOfWords(key, locator.words, locator.family === 4 ? 1 : 4, high, low);
  }

  #hashAgent({ key }: VisitorSalt): void {
    const bytes = this.#bytes, start = this.#agentStart, end = this.#agentEnd;
    if (this.#isToken && isEscaped(bytes, start, Math.min(end, start + AGENT_BYTES_MAX))) {
      // Another spelling of the same agent is the same visitor.
      const text = this.#encoder.encode(tokenText(bytes, start, end) ?? "");
      this.#hasher.hashAgent(key, text, 0, text.length);
    } else this.#hasher.hashAgent(key, bytes, start, end);
  }

  #forgetSlots(): void {
    this.#emptied = this.#verdicts.emptied;
    this.#salts = new Int32Array(FIRST_SLOTS);
    this.#highs = new Int32Array(FIRST_SLOTS);
    this.#lows = new Int32Array(FIRST_SLOTS);
    this.#recent.fill(0);
  }

  #keep(slot: number, salt: number, high: number, low: number): void {
    if (slot >= this.#salts.length) {
      const length = Math.max(slot + 1, this.#salts.length * 2);
      this.#salts = grown(this.#salts, length);
      this.#highs = grown(this.#highs, length);
      this.#lows = grown(this.#lows, length);
    }
    this.#salts[slot] = salt;
    this.#highs[slot] = high;
    this.#lows[slot] = low;
  }
}

function isEscaped(bytes: Uint8Array, start: number, end: number): boolean {
  for (let p = start; p < end; p++) if (bytes[p] === BACKSLASH) return true;
  return false;
}
