// Whether a user agent names itself a bot, and the cache of these verdicts. No I/O. The list of patterns is the npm package isbot's.
import { isbot } from "isbot";
import { ByteInterner, grown } from "./intern.ts";
import { tokenText } from "./json_token.ts";

/** As many characters of a user agent are looked at; real ones are below 300. It bounds what one hostile value can cost. */
export const AGENT_CHARACTERS_MAX = 1024;
/** The cache starts anew beyond this: a flood of invented agents costs time, never memory. */
const CACHE_BYTES_MAX = 8 * 1024 * 1024;

const UNKNOWN = 0;
const HUMAN = 1;
const BOT = 2;

/** True for an agent that calls itself a crawler, library or tool; a missing agent ("") counts as human. */
export function isBotAgent(agent: string): boolean {
  return isbot(agent.slice(0, AGENT_CHARACTERS_MAX));
}

/** Verdicts by user-agent token: the patterns cost 0.2–1.3 µs, a known token 0.06 µs (bench/event_bench.ts). */
export class BotVerdicts {
  readonly #tokens: ByteInterner;
  /** By token slot. */
  #verdicts = new Int32Array(0);

  constructor(seed: number) {
    this.#tokens = new ByteInterner(seed);
    this.#clear();
  }

  get memoryBytes(): number {
    return this.#tokens.memoryBytes + this.#verdicts.byteLength;
  }

  /** 1 for a bot, 0 for a human, -1 where the token `bytes[start, end)` is not a valid JSON string. */
  ofToken(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const slot = this.#tokens.intern(bytes, view, start, end);
    if (slot >= this.#verdicts.length) this.#verdicts = grown(this.#verdicts, this.#verdicts.length * 2);
    const known = this.#verdicts[slot]!;
    if (known !== UNKNOWN) return known - HUMAN;
    const agent = tokenText(bytes, start, end);
    if (agent === undefined) return -1;
    const verdict = isBotAgent(agent) ? BOT : HUMAN;
    this.#verdicts[slot] = verdict;
    if (this.memoryBytes > CACHE_BYTES_MAX) this.#clear();
    return verdict - HUMAN;
  }

  #clear(): void {
    this.#tokens.clear();
    this.#verdicts = new Int32Array(1 << 9);
  }
}
