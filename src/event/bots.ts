// Whether a user agent names itself a bot, and a cache of these verdicts. No I/O. The patterns are those of the npm package isbot.
import { isbot } from "isbot";
import { AGENT_CHARACTERS_MAX } from "../breakdown/client.ts";
import { grown } from "../shared/typed_tables.ts";
import { ByteInterner } from "./intern.ts";
import { tokenText } from "./json_token.ts";

/** The cache is emptied at this size: a flood of invented agents then costs time, but no memory. */
const CACHE_BYTES_MAX = 8 * 1024 * 1024;

const UNKNOWN = 0;
const HUMAN = 1;
const BOT = 2;
/** Bits of a slot that hold the verdict; the client is above them. */
const VERDICT_BITS = 2;
const VERDICT_MASK = (1 << VERDICT_BITS) - 1;

/** Whether the agent names itself a crawler, library or tool. A missing agent ("") counts as human. */
export function isBotAgent(agent: string): boolean {
  return isbot(agent.slice(0, AGENT_CHARACTERS_MAX));
}

/** Verdicts by user-agent token: the patterns cost 0.2–1.3 µs, a known token 0.06 µs (bench/event_bench.ts). */
export class BotVerdicts {
  /** Of the last token: the id that `clientId` gave; 0 without it. */
  client = 0;
  /** Of the last token: its number in the cache, valid while `emptied` stays as it is; -1 if the cache does not hold it. */
  slot = -1;
  /** How often the cache was emptied. */
  emptied = 0;
  readonly #tokens: ByteInterner;
  /** By token slot: verdict and client. */
  #verdicts = new Int32Array(0);
  readonly #clientId: (agent: string, isBot: boolean) => number;

  /** @param clientId the id of an agent's client, below 2^29; asked once for each token */
  constructor(seed: number, clientId: (agent: string, isBot: boolean) => number = () => 0) {
    this.#tokens = new ByteInterner(seed);
    this.#clientId = clientId;
    this.#clear();
  }

  get memoryBytes(): number {
    return this.#tokens.memoryBytes + this.#verdicts.byteLength;
  }

  /** 1 for a bot, 0 for a human, -1 if the token `bytes[start, end)` is not a valid JSON string. */
  ofToken(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const slot = this.#tokens.intern(bytes, view, start, end);
    if (slot >= this.#verdicts.length) this.#verdicts = grown(this.#verdicts, this.#verdicts.length * 2);
    const known = this.#verdicts[slot]!;
    if (known !== UNKNOWN) {
      this.slot = slot;
      this.client = known >>> VERDICT_BITS;
      return (known & VERDICT_MASK) - HUMAN;
    }
    const agent = tokenText(bytes, start, end);
    if (agent === undefined) return -1;
    const verdict = isBotAgent(agent) ? BOT : HUMAN;
    this.slot = slot;
    this.client = this.#clientId(agent, verdict === BOT);
    this.#verdicts[slot] = (this.client << VERDICT_BITS) | verdict;
    if (this.memoryBytes > CACHE_BYTES_MAX) {
      this.#clear();
      this.emptied++;
      this.slot = -1;
    }
    return verdict - HUMAN;
  }

  #clear(): void {
    this.#tokens.clear();
    this.#verdicts = new Int32Array(1 << 9);
  }
}
