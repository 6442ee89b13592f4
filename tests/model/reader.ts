// Reads the model's events for the product's counter: its real readers are tested elsewhere. Pure.
import { type Dictionary, type EventReader, READ_OK, type ReadCode } from "../../src/event/types.ts";
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
  readonly breakdown = null;

  read(bytes: Uint8Array, start: number, end: number): ReadCode {
    const event = JSON.parse(decoder.decode(bytes.subarray(start, end))) as ModelEvent;
    this.eventTime = event.time;
    this.host = this.hosts.id(event.host);
    this.referrer = this.referrers.id(event.referrer);
    this.place = PLACES.findIndex((place) => place.join("\n") === event.place.join("\n"));
    this.bot = Number(event.bot);
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
