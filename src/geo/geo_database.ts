// The port between the locator and a database file. No I/O.
import type { Place } from "./port.ts";

/** One open address database. Implementations never throw: a record that cannot be read is an unknown place. */
export interface GeoDatabase {
  /** A key of the network's record, the same for all networks that share it; 0 = the address is not in the file. */
  find4(address: number): number;
  /** As `find4`; `words` are four 32-bit words, most significant first. */
  find6(words: Uint32Array): number;
  /** The place of the record under which the address was found. */
  placeOf4(address: number): Place;
  placeOf6(words: Uint32Array): Place;
}

/** Which database answers for which family; null = no address of that family can be placed. */
export interface GeoDatabases {
  readonly v4: GeoDatabase | null;
  readonly v6: GeoDatabase | null;
}
