// Reads the model's events for the product's counter: its real readers are tested elsewhere. Pure.
import { VisitorHasher, type VisitorSalt } from "../../src/breakdown/visitor.ts";
import {
  type Dictionary,
  type EventBreakdowns,
  type EventReader,
  READ_OK,
  type ReadCode,
} from "../../src/event/types.ts";
import type { PlaceLocator } from "../../src/geo/port.ts";
import { type ModelEvent, PLACES } from "./event.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const writeEvent = (event: ModelEvent): Uint8Array => encoder.encode(JSON.stringify(event));

class Texts implements Dictionary {
  readonly #ids = new Map<string, number>();
  readonly #texts: string[] = [];

  get size(): number {
    return this.#texts.length;
  }

  text(id: number): string {
    return this.#texts[id]!;
  }

  bytes(id: number): number {
    return this.text(id).length;
  }

  id(text: string): number {
    let id = this.#ids.get(text);
    if (id === undefined) {
      this.#ids.set(text, id = this.size);
      this.#texts.push(text);
    }
    return id;
  }
}

/** What the event that was read last adds to the breakdowns. Visitors are hashed by the product's own hasher. */
class ModelBreakdowns implements EventBreakdowns {
  page = 0;
  client = 0;
  campaign = 0;
  readonly pages = new Texts();
  readonly clients = new Texts();
  readonly campaigns = new Texts();
  readonly #hasher = new VisitorHasher();
  #event: ModelEvent | null = null;

  constructor(readonly counted: number) {}

  take(event: ModelEvent): void {
    this.page = this.pages.id(event.page);
    this.client = this.clients.id(event.client);
    this.campaign = this.campaigns.id(event.campaign);
    this.#event = event;
  }

  visitor({ key }: VisitorSalt): number {
    const hasher = this.#hasher, { client, address } = this.#event!;
    const agent = encoder.encode(client), bytes = encoder.encode(address);
    hasher.hashAgent(key, agent, 0, agent.length);
    const { agentHigh, agentLow } = hasher;
    const words = wordsOf(address);
    return words === null
      ? hasher.update(key, bytes, 0, bytes.length, agentHigh, agentLow)
      : hasher.updateOfWords(key, words, words.length, agentHigh, agentLow);
  }
}

/** The words of the addresses that the model has; null of a text that is not one. */
function wordsOf(address: string): Uint32Array | null {
  const four = /^10\.0\.0\.(\d+)$/.exec(address), six = /^fd00::(\d)$/.exec(address);
  if (four !== null) return Uint32Array.of(10 * 2 ** 24 + Number(four[1]));
  return six === null ? null : Uint32Array.of(0xfd00_0000, 0, 0, Number(six[1]));
}

/** Ids are given in order of appearance, so that every process has its own. */
export class ModelReader implements EventReader {
  use(): void {}
  useHost(): void {}

  eventTime = 0;
  host = 0;
  referrer = 0;
  place = 0;
  bot = 0;
  readonly memoryBytes = 0;
  readonly hosts = new Texts();
  readonly referrers = new Texts();
  readonly breakdown: ModelBreakdowns | null;

  /** @param counted what is counted beside the rows, as bits */
  constructor(counted: number) {
    this.breakdown = counted === 0 ? null : new ModelBreakdowns(counted);
  }

  read(bytes: Uint8Array, start: number, end: number): ReadCode {
    const event = JSON.parse(decoder.decode(bytes.subarray(start, end))) as ModelEvent;
    this.eventTime = event.time;
    this.host = this.hosts.id(event.host);
    this.referrer = this.referrers.id(event.referrer);
    this.place = PLACES.findIndex((place) => place.join("\n") === event.place.join("\n"));
    this.bot = Number(event.bot);
    this.breakdown?.take(event);
    return READ_OK;
  }

  reset(): void {}
}

export const modelPlaces: PlaceLocator = {
  locate: () => 0,
  family: 0,
  words: new Uint32Array(4),
  place(id) {
    const [countryCode, region, city] = PLACES[id]!;
    return { countryCode, region, city };
  },
  size: PLACES.length,
};
