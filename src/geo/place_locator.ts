// Finds the place id of an address through bounded caches. No I/O except that a deferred database is read at its first lookup.
// Hot path. Measured reason for the caches: a walk of a city tree touches about ten cache lines of a 63 MB file, a probe of a small table one.
import { ADDRESS_EMPTY, ADDRESS_V4, ADDRESS_V6, AddressParser } from "./address.ts";
import { embeddedV4, isSpecialV4, isSpecialV6 } from "./address_class.ts";
import type { GeoCounts } from "./geo_state.ts";
import {
  type GeoDatabases,
  type GeoPoint,
  INVALID_PLACE,
  type Place,
  type PlaceLocator,
  type PlacePoint,
  PRIVATE_PLACE,
  UNKNOWN_PLACE,
} from "./port.ts";

/** Ids of the places that every locator has from the start. */
export const UNKNOWN_ID = 0;
export const PRIVATE_ID = 1;
export const INVALID_ID = 2;

/**
 * Entries of the caches, which are direct-mapped: 8 bytes an entry, 20 for IPv6.
 * Measured on 100,000 addresses drawn by Zipf's law from the city file: 2^16 entries 0.146 µs an event, 2^17 0.12, 2^18 0.095.
 */
const V4_BITS = 18;
const V6_BITS = 14;
const RECORD_BITS = 16;
const NO_PLACE = -1;
/** Cities whose coordinates wait to be taken; about as many as a city file names. Later ones are left out. */
const POINTS_MAX = 200_000;

/** A locator whose databases can be exchanged. */
export interface ReloadablePlaceLocator extends PlaceLocator, GeoCounts {
  /** Uses other files from now on; returned ids stay valid. */
  replace(databases: GeoDatabases): void;
  /** Coordinates of cities that were met since the last call, at most `max`. */
  takePoints(max: number): PlacePoint[];
}

/** Without a database for a family, its public addresses are `unknown`. */
export function createPlaceLocator(databases: GeoDatabases = { v4: null, v6: null }): ReloadablePlaceLocator {
  return new CachedPlaceLocator(databases);
}

class CachedPlaceLocator implements ReloadablePlaceLocator {
  located = 0;
  walked = 0;
  missed = 0;
  family: 0 | 4 | 6 = 0;
  readonly #parser = new AddressParser();
  readonly #places: Place[] = [UNKNOWN_PLACE, PRIVATE_PLACE, INVALID_PLACE];
  readonly #idByPlace = new Map<string, number>(this.#places.map((place, id) => [keyOf(place), id]));
  #points: PlacePoint[] = [];
  #databases: GeoDatabases;

  readonly #v4Keys = new Uint32Array(1 << V4_BITS);
  readonly #v4Ids = new Int32Array(1 << V4_BITS).fill(NO_PLACE);
  readonly #v6Keys = new Uint32Array(4 << V6_BITS);
  readonly #v6Ids = new Int32Array(1 << V6_BITS).fill(NO_PLACE);
  // One for each family: record keys of different files are unrelated.
  readonly #records4 = new RecordCache();
  readonly #records6 = new RecordCache();

  constructor(databases: GeoDatabases) {
    this.#databases = databases;
  }

  get size(): number {
    return this.#places.length;
  }

  get words(): Uint32Array {
    return this.#parser.words;
  }

  place(id: number): Place {
    return this.#places[id] ?? UNKNOWN_PLACE;
  }

  takePoints(max: number): PlacePoint[] {
    return this.#points.splice(0, max);
  }

  replace(databases: GeoDatabases): void {
    this.#databases = databases;
    this.#v4Ids.fill(NO_PLACE);
    this.#v6Ids.fill(NO_PLACE);
    this.#records4.clear();
    this.#records6.clear();
  }

  locate(bytes: Uint8Array, start: number, end: number): number {
    this.located++;
    const id = this.#locate(bytes, start, end);
    if (id === UNKNOWN_ID) this.missed++;
    return id;
  }

  #locate(bytes: Uint8Array, start: number, end: number): number {
    const kind = this.#parser.parse(bytes, start, end);
    this.family = kind === ADDRESS_V4 || kind === ADDRESS_V6 ? kind : 0;
    switch (kind) {
      case ADDRESS_V4:
        return this.#locate4(this.#parser.words[0]!);
      case ADDRESS_V6:
        return this.#locate6(this.#parser.words);
      case ADDRESS_EMPTY:
        return UNKNOWN_ID;
      default:
        return INVALID_ID;
    }
  }

  #locate4(address: number): number {
    const slot = Math.imul(address, 0x9e3779b1) >>> (32 - V4_BITS);
    const cached = this.#v4Ids[slot]!;
    if (this.#v4Keys[slot] === address && cached !== NO_PLACE) return cached;
    const id = isSpecialV4(address) ? PRIVATE_ID : this.#find4(address);
    this.#v4Keys[slot] = address;
    this.#v4Ids[slot] = id;
    return id;
  }

  #locate6(words: Uint32Array): number {
    const inner = embeddedV4(words);
    if (inner >= 0) return this.#locate4(inner);
    const [a, b, c, d] = [words[0]!, words[1]!, words[2]!, words[3]!];
    const mixed = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35) ^
      Math.imul(d, 0x27d4eb2f);
    const slot = Math.imul(mixed ^ (mixed >>> 15), 0x9e3779b1) >>> (32 - V6_BITS);
    const keys = this.#v6Keys, at = slot * 4, cached = this.#v6Ids[slot]!;
    if (cached !== NO_PLACE && keys[at] === a && keys[at + 1] === b && keys[at + 2] === c && keys[at + 3] === d) {
      return cached;
    }
    const id = isSpecialV6(words) ? PRIVATE_ID : this.#find6(words);
    keys.set(words, at);
    this.#v6Ids[slot] = id;
    return id;
  }

  #find4(address: number): number {
    this.walked++;
    const database = this.#databases.v4;
    const record = database?.find4(address) ?? 0;
    if (database === null || record === 0) return UNKNOWN_ID;
    const known = this.#records4.get(record);
    if (known !== NO_PLACE) return known;
    const place = database.placeOf4(address), before = this.#places.length, id = this.#intern(place);
    if (id === before) this.#keepPoint(place, database.pointOf4?.(address));
    return this.#records4.set(record, id);
  }

  #find6(words: Uint32Array): number {
    this.walked++;
    const database = this.#databases.v6;
    const record = database?.find6(words) ?? 0;
    if (database === null || record === 0) return UNKNOWN_ID;
    const known = this.#records6.get(record);
    if (known !== NO_PLACE) return known;
    const place = database.placeOf6(words), before = this.#places.length, id = this.#intern(place);
    if (id === before) this.#keepPoint(place, database.pointOf6?.(words));
    return this.#records6.set(record, id);
  }

  /** Called once for each new place. */
  #keepPoint(place: Place, point: GeoPoint | null | undefined): void {
    if (place.city !== "" && point && this.#points.length < POINTS_MAX) this.#points.push({ ...place, ...point });
  }

  #intern(place: Place): number {
    const key = keyOf(place);
    let id = this.#idByPlace.get(key);
    if (id === undefined) {
      id = this.#places.push(place) - 1;
      this.#idByPlace.set(key, id);
    }
    return id;
  }
}

/** Record key → place id. A collision replaces the older entry: decoding a record again takes microseconds, and the memory is bounded. */
class RecordCache {
  readonly #keys = new Uint32Array(1 << RECORD_BITS);
  readonly #ids = new Int32Array(1 << RECORD_BITS).fill(NO_PLACE);

  get(record: number): number {
    const slot = Math.imul(record, 0x9e3779b1) >>> (32 - RECORD_BITS);
    return this.#keys[slot] === record ? this.#ids[slot]! : NO_PLACE;
  }

  /** Returns `id`. */
  set(record: number, id: number): number {
    const slot = Math.imul(record, 0x9e3779b1) >>> (32 - RECORD_BITS);
    this.#keys[slot] = record;
    this.#ids[slot] = id;
    return id;
  }

  clear(): void {
    this.#ids.fill(NO_PLACE);
  }
}

/** Names contain no U+001F (see mmdb/schema.ts), so keys are distinct. */
function keyOf(place: Place): string {
  return `${place.countryCode}\x1f${place.region}\x1f${place.city}`;
}
