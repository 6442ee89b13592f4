// Maps the bytes of a host or referrer to the id of the text under which it is counted. No I/O.
// The rule of the slow path runs once per distinct token; a known token costs one lookup. So the fast path needs no rules of its own for
// escapes, upper case and non-ASCII text.
import { Buffer } from "node:buffer";
import { grown } from "../shared/typed_tables.ts";
import { ByteInterner } from "./intern.ts";
import { tokenText } from "./json_token.ts";
import type { Dictionary } from "./types.ts";

/** Heap cost of one text beyond its characters (header, array element, Map entry): `Deno.memoryUsage()` over 400,000 texts gave 66. */
const ENTRY_OVERHEAD_BYTES = 66;
const FIRST_TOKENS = 1 << 9;
/** V8 stores a text with one byte per character unless it holds one of these. */
const WIDE_CHARACTER = /[\u0100-\uffff]/;

/** A {@link Dictionary} over JSON string tokens. */
export class TextDictionary implements Dictionary {
  readonly #tokens: ByteInterner;
  /** By token slot: id + 1 of the text, 0 = not known yet. */
  #tokenIds = new Int32Array(0);
  #texts: string[] = [];
  #ids = new Map<string, number>();
  /** By id: bytes of the text in UTF-8. */
  #sizes = new Int32Array(0);
  #textBytes = 0;
  #rule: (sent: string) => string | undefined;

  /** @param rule the text under which a sent text is counted; `undefined` for none (an empty host) */
  constructor(seed: number, rule: (sent: string) => string | undefined) {
    this.#tokens = new ByteInterner(seed);
    this.#rule = rule;
    this.reset();
  }

  /** Changes the rule; forgets every id. */
  use(rule: (sent: string) => string | undefined): void {
    this.#rule = rule;
    this.reset();
  }

  get size(): number {
    return this.#texts.length;
  }

  get memoryBytes(): number {
    return this.#tokens.memoryBytes + this.#tokenIds.byteLength + this.#sizes.byteLength + this.#textBytes;
  }

  /** Bytes of what is remembered of tokens. */
  get tokenBytes(): number {
    return this.#tokens.memoryBytes + this.#tokenIds.byteLength;
  }

  /** Forgets the tokens, so that the rule runs again for each; ids and texts stay. */
  forgetTokens(): void {
    this.#tokens.clear();
    this.#tokenIds = new Int32Array(FIRST_TOKENS);
  }

  text(id: number): string {
    const text = this.#texts[id];
    if (text === undefined) throw new RangeError(`Cannot name text ${id}: the dictionary holds ${this.#texts.length}`);
    return text;
  }

  bytes(id: number): number {
    return this.#sizes[id]!;
  }

  /** The id for the token `bytes[start, end)` (without its quotes); -1 if it is not a valid JSON string or the rule gives `undefined`. */
  idOfToken(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const slot = this.#tokens.intern(bytes, view, start, end);
    if (slot >= this.#tokenIds.length) this.#tokenIds = grown(this.#tokenIds, this.#tokenIds.length * 2);
    const known = this.#tokenIds[slot]! - 1;
    if (known >= 0) return known;
    const sent = tokenText(bytes, start, end);
    const text = sent === undefined ? undefined : this.#rule(sent);
    if (text === undefined) return -1;
    const id = this.idOfText(text);
    this.#tokenIds[slot] = id + 1;
    return id;
  }

  /** The id of a text to which the rule was already applied. */
  idOfText(text: string): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#texts.length;
    this.#texts.push(text);
    this.#ids.set(text, id);
    if (id >= this.#sizes.length) this.#sizes = grown(this.#sizes, this.#sizes.length * 2);
    this.#sizes[id] = Buffer.byteLength(text);
    this.#textBytes += ENTRY_OVERHEAD_BYTES + text.length * (WIDE_CHARACTER.test(text) ? 2 : 1);
    return id;
  }

  reset(): void {
    this.forgetTokens();
    this.#texts = [];
    this.#sizes = new Int32Array(FIRST_TOKENS);
    this.#ids = new Map();
    this.#textBytes = 0;
  }
}
