// Places, the port through which the engine finds them, and the port to a database file. No I/O.

/** ISO 3166-1 alpha-2 code, or why it is unknown. Never empty. */
type CountryCode = string;

/** A place as stored. Cities of the same name differ by region or country. Region and city are "" if unknown. */
export interface Place {
  readonly countryCode: CountryCode;
  readonly region: string;
  readonly city: string;
}

/** Degrees north and east. */
export interface GeoPoint {
  readonly latitude: number;
  readonly longitude: number;
}

/** A city with its coordinates. */
export type PlacePoint = Place & GeoPoint;

/** Country codes that say why an address has no country. */
export const UNKNOWN_PLACE: Place = { countryCode: "unknown", region: "", city: "" };
export const PRIVATE_PLACE: Place = { countryCode: "private", region: "", city: "" };
export const INVALID_PLACE: Place = { countryCode: "invalid", region: "", city: "" };

/**
 * Turns the bytes of an `ip` field into the id of a place. Ids are dense from 0 and stay valid for the life of the process, also after a reload of
 * the database file: a place that changed gets another id.
 */
export interface PlaceLocator {
  /** `bytes[start, end)` is the unescaped UTF-8 text of the field, empty if the field is missing. Never throws. */
  locate(bytes: Uint8Array, start: number, end: number): number;
  /** What the last `locate` was given: an address of this family, in `words`, or 0 for anything else. */
  readonly family: 0 | 4 | 6;
  /** IPv4 in the first word; IPv6 in four, most significant first. Valid until the next `locate`. */
  readonly words: Uint32Array;
  /** The place behind an id that `locate` returned. */
  place(id: number): Place;
  /** Number of ids. */
  readonly size: number;
}

/** One open address database. Implementations never throw: a record that cannot be read is an unknown place. */
export interface GeoDatabase {
  /** Key of the network's record, the same for all networks that share the record; 0 = the address is not in the file. */
  find4(address: number): number;
  /** As `find4`; `words` are four 32-bit words, most significant first. */
  find6(words: Uint32Array): number;
  /** The place of the record under which the address was found. */
  placeOf4(address: number): Place;
  placeOf6(words: Uint32Array): Place;
  /** Where that place lies, as far as the record says; asked once for each new place, never for each address. */
  pointOf4?(address: number): GeoPoint | null;
  pointOf6?(words: Uint32Array): GeoPoint | null;
}

/** The database of each family; null = addresses of that family have no place. */
export interface GeoDatabases {
  readonly v4: GeoDatabase | null;
  readonly v6: GeoDatabase | null;
}
