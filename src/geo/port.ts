// What a place is, and the port through which the engine asks for one. No I/O.

/** ISO 3166-1 alpha-2 code, or why there is none. Never empty. */
type CountryCode = string;

/** A place as it is stored: same-named cities differ by region or country. Region and city are "" when unknown. */
export interface Place {
  readonly countryCode: CountryCode;
  readonly region: string;
  readonly city: string;
}

/** Country codes that say why an address has no country. */
export const UNKNOWN_PLACE: Place = { countryCode: "unknown", region: "", city: "" };
export const PRIVATE_PLACE: Place = { countryCode: "private", region: "", city: "" };
export const INVALID_PLACE: Place = { countryCode: "invalid", region: "", city: "" };

/**
 * Turns the bytes of an `ip` field into a small integer that names a place. Ids are dense from 0 and stay valid for the life of the process,
 * also across a reload of the database file (a place that changed gets another id).
 */
export interface PlaceLocator {
  /** `bytes[start, end)` is the unescaped UTF-8 text of the field; an empty range means the field was missing. Never throws. */
  locate(bytes: Uint8Array, start: number, end: number): number;
  /** The place behind an id that `locate` returned. */
  place(id: number): Place;
  /** How many ids exist. */
  readonly size: number;
}
