// Events of ten bytes and a reader for them: the real reader is fuzzed elsewhere, here only counting matters. Pure.
//
//   0: read code (0 = valid)   1–4: event time, ms after BASE, signed   5: host   6: referrer   7: place, top bit = bot
//   8: page, from bit 3 client, from bit 5 campaign   9: visitor
//
// Rules version 2 folds every two hosts into one, and reads the code that version 1 calls 5.
import { updateOf } from "../../src/breakdown/sketch.ts";
import type { VisitorSalt } from "../../src/breakdown/visitor.ts";
import type { StreamRules } from "../../src/event/stream_rules.ts";
import {
  type Dictionary,
  type EventBreakdowns,
  type EventReader,
  READ_OK,
  type ReadCode,
} from "../../src/event/types.ts";
import type { Place, PlaceLocator } from "../../src/geo/port.ts";

/** Midnight of a day: histories begin shortly before the next. */
export const BASE = Date.UTC(2026, 0, 15);

export const PLACES: readonly Place[] = [
  { countryCode: "unknown", region: "", city: "" },
  { countryCode: "DE", region: "Berlin", city: "Berlin" },
  { countryCode: "US", region: "Oregon", city: "Portland" },
  { countryCode: "US", region: "Maine", city: "Portland" },
];

/** What a value says. */
export interface TinyEvent {
  readonly code: ReadCode;
  readonly time: number;
  readonly host: number;
  readonly referrer: number;
  readonly place: number;
  readonly bot: number;
  readonly page: number;
  readonly client: number;
  readonly campaign: number;
  readonly visitor: number;
}

/** Numbers of each kind; the highest is one less. */
export const PAGES = 8, CLIENTS = 3, CAMPAIGNS = 3, VISITORS = 20;

type Least = "code" | "time" | "host" | "referrer" | "place" | "bot";

/** What is not given is 0. */
export function writeEvent(event: Pick<TinyEvent, Least> & Partial<TinyEvent>): Uint8Array {
  const bytes = new Uint8Array(10);
  bytes[0] = event.code;
  new DataView(bytes.buffer).setInt32(1, event.time - BASE);
  bytes[5] = event.host;
  bytes[6] = event.referrer;
  bytes[7] = event.place | event.bot << 7;
  bytes[8] = (event.page ?? 0) | (event.client ?? 0) << 3 | (event.campaign ?? 0) << 5;
  bytes[9] = event.visitor ?? 0;
  return bytes;
}

const READ_BY_VERSION_2 = 5;

export function readEvent(bytes: Uint8Array, version: number): TinyEvent {
  return {
    code: version > 1 && bytes[0] === READ_BY_VERSION_2 ? READ_OK : bytes[0]!,
    time: BASE + new DataView(bytes.buffer, bytes.byteOffset).getInt32(1),
    host: version > 1 ? bytes[5]! & ~1 : bytes[5]!,
    referrer: bytes[6]!,
    place: bytes[7]! & 0x7f,
    bot: bytes[7]! >> 7,
    page: bytes[8]! & 7,
    client: bytes[8]! >> 3 & 3,
    campaign: bytes[8]! >> 5,
    visitor: bytes[9]!,
  };
}

/** The update of a sketch for a visitor, under the salt whose key begins with this word. */
export function visitorUpdate(visitor: number, saltWord: number): number {
  const mixed = Math.imul(Math.imul(visitor + 1, 0x9e3779b1) ^ saltWord, 0x85ebca6b);
  return updateOf(mixed, Math.imul(mixed ^ mixed >>> 15, 0x2c1b3c6d));
}

/** Text of the host or referrer with this number; referrer 0 is the direct hit. */
export const hostText = (host: number) => `h${host}.example`;
export const referrerText = (referrer: number) => referrer === 0 ? "" : `https://r${referrer}.example/?a=1,2&"q"\\`;
/** Texts of the values of breakdowns. */
export const pageText = (page: number) => page === 0 ? "(asset)" : `/p${page}"\\`;
export const clientText = (client: number) => [`b${client}`, "os", "desktop"].join("\x1e");
export const campaignText = (campaign: number) => campaign === 0 ? "(none)" : [`s${campaign}`, "", "c,1"].join("\x1e");

class TinyDictionary implements Dictionary {
  #ids = new Map<number, number>();
  #numbers: number[] = [];
  readonly #toText: (number: number) => string;

  constructor(toText: (number: number) => string) {
    this.#toText = toText;
  }

  get size(): number {
    return this.#numbers.length;
  }

  text(id: number): string {
    if (id >= this.size) throw new RangeError(`no text ${id}`);
    return this.#toText(this.#numbers[id]!);
  }

  bytes(id: number): number {
    return this.text(id).length;
  }

  id(number: number): number {
    let id = this.#ids.get(number);
    if (id === undefined) {
      this.#ids.set(number, id = this.size);
      this.#numbers.push(number);
    }
    return id;
  }

  clear(): void {
    this.#ids = new Map();
    this.#numbers = [];
  }
}

/** What the event that was read last adds to the breakdowns. */
class TinyBreakdowns implements EventBreakdowns {
  page = 0;
  client = 0;
  campaign = 0;
  readonly pages = new TinyDictionary(pageText);
  readonly clients = new TinyDictionary(clientText);
  readonly campaigns = new TinyDictionary(campaignText);
  #visitor = 0;

  constructor(readonly counted: number) {}

  take(event: TinyEvent): void {
    this.page = this.pages.id(event.page);
    this.client = this.clients.id(event.client);
    this.campaign = this.campaigns.id(event.campaign);
    this.#visitor = event.visitor;
  }

  visitor({ key }: VisitorSalt): number {
    return visitorUpdate(this.#visitor, key.k0low);
  }
}

/** Reads tiny events. Ids are given in order of appearance, so that every instance has its own. */
export class TinyReader implements EventReader {
  #version = 1;

  useHost(): void {}
  use(stream: StreamRules): void {
    this.#version = stream.version;
    this.reset();
  }
  eventTime = 0;
  host = 0;
  referrer = 0;
  place = 0;
  bot = 0;
  /** What the engine sees as memory: above its limit it forgets all ids after a commit. */
  memoryBytes: number;
  readonly hosts = new TinyDictionary(hostText);
  readonly referrers = new TinyDictionary(referrerText);
  readonly breakdown: TinyBreakdowns | null;

  /** @param counted what is counted beside the rows; 0 = a reader as an older release has it */
  constructor(memoryBytes: number, counted: number) {
    this.memoryBytes = memoryBytes;
    this.breakdown = counted === 0 ? null : new TinyBreakdowns(counted);
  }

  read(bytes: Uint8Array, start: number, end: number): ReadCode {
    const event = readEvent(bytes.subarray(start, end), this.#version);
    if (event.code !== READ_OK) return event.code;
    this.eventTime = event.time;
    this.host = this.hosts.id(event.host);
    this.referrer = this.referrers.id(event.referrer);
    this.place = event.place;
    this.bot = event.bot;
    this.breakdown?.take(event);
    return READ_OK;
  }

  reset(): void {
    this.hosts.clear();
    this.referrers.clear();
    this.breakdown?.pages.clear();
    this.breakdown?.campaigns.clear();
  }
}

/** Names the places of tiny events; they are located by the reader itself. */
export const tinyPlaces: PlaceLocator = {
  locate: () => 0,
  family: 0,
  words: new Uint32Array(4),
  place: (id) => PLACES[id]!,
  size: PLACES.length,
};
