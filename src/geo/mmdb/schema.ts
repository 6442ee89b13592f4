// How a place is written in the records of the common databases, and whom they ask to be named. Pure.
import { type GeoPoint, type Place, UNKNOWN_PLACE } from "../port.ts";

/**
 * `nested`: MaxMind's `country.iso_code, subdivisions[0].names, city.names`, also used by DB-IP's and IP2Location's own files.
 * `flat`: one level of texts (`country_code, state1 | region…, city`), used by ip-location-db's builds of DB-IP, GeoLite2 and IP2Location, and by IPinfo.
 */
export type GeoSchema = "nested" | "flat";

/** The attribution that a page with places must show. */
export interface Attribution {
  readonly text: string;
  readonly url: string;
  readonly licence: string;
}

/** Bytes of one region or city name; longer ones are cut at a character. */
export const NAME_BYTES_MAX = 256;

const encoder = new TextEncoder();

/** The schema of a record; null if it has no country, as in an ASN database. */
export function schemaOf(record: unknown): GeoSchema | null {
  const fields = asMap(record);
  if (typeof asMap(fields?.country)?.iso_code === "string") return "nested";
  return flatCountry(fields) === undefined ? null : "flat";
}

/** The place in a record; {@link UNKNOWN_PLACE} without a usable country code, because a city's name is not unique without its country. */
export function placeOf(record: unknown): Place {
  const fields = asMap(record);
  if (fields === undefined) return UNKNOWN_PLACE;
  const nested = asMap(fields.country) !== undefined;
  const countryCode = cleanCountry(nested ? asMap(fields.country)?.iso_code : flatCountry(fields));
  if (countryCode === UNKNOWN_PLACE.countryCode) return UNKNOWN_PLACE;
  if (!nested) {
    return {
      countryCode,
      region: cleanName(fields.state1 ?? fields.region ?? fields.region_name ?? fields.state),
      city: cleanName(fields.city ?? fields.city_name),
    };
  }
  const subdivision = Array.isArray(fields.subdivisions) ? asMap(fields.subdivisions[0]) : undefined;
  return {
    countryCode,
    region: cleanName(nameIn(subdivision) ?? subdivision?.iso_code),
    city: cleanName(nameIn(asMap(fields.city))),
  };
}

/** Where the place of a record lies; null where the record does not say, or says what cannot be. */
export function pointOf(record: unknown): GeoPoint | null {
  const fields = asMap(record), at = asMap(fields?.location) ?? fields;
  const latitude = degrees(at?.latitude ?? at?.lat), longitude = degrees(at?.longitude ?? at?.lng);
  if (latitude === null || longitude === null || Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return null;
  return { latitude, longitude };
}

/** Some files write numbers as text. */
function degrees(value: unknown): number | null {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

/** Upper-case ISO 3166-1 alpha-2, or `unknown`; "ZZ" and "XX" are the codes that databases use for it. */
export function cleanCountry(code: unknown): string {
  if (typeof code !== "string" || !/^[A-Za-z]{2}$/.test(code)) return UNKNOWN_PLACE.countryCode;
  const upper = code.toUpperCase();
  return upper === "ZZ" || upper === "XX" ? UNKNOWN_PLACE.countryCode : upper;
}

/**
 * A name that can be stored: U+0000 (PostgreSQL refuses it), U+001F (it separates names in a commit) and lone surrogates become U+FFFD. IP2Location
 * writes "-" for no name.
 */
export function cleanName(name: unknown): string {
  if (typeof name !== "string" || name === "-") return "";
  // deno-lint-ignore no-control-regex -- these two are what the rule is about
  const clean = name.toWellFormed().replace(/[\u0000\u001f]/g, "\ufffd");
  // A UTF-16 unit takes at most 3 bytes, so most names need no count.
  if (clean.length * 3 <= NAME_BYTES_MAX) return clean;
  return clean.slice(0, encoder.encodeInto(clean, new Uint8Array(NAME_BYTES_MAX)).read);
}

/** The attribution for a file by its database type, else by its name; null if both are unknown. */
export function attributionOf(databaseType: string, fileName: string): Attribution | null {
  for (const hint of [databaseType, fileName]) {
    if (/db-?ip/i.test(hint)) {
      return { text: "IP Geolocation by DB-IP", url: "https://db-ip.com", licence: "CC-BY-4.0" };
    }
    if (/geolite2?/i.test(hint)) {
      return {
        text: "This product includes GeoLite2 data created by MaxMind",
        url: "https://www.maxmind.com",
        licence: "GeoLite2 End User License Agreement",
      };
    }
    if (/geoip2?/i.test(hint)) {
      return { text: "GeoIP data by MaxMind", url: "https://www.maxmind.com", licence: "commercial" };
    }
    if (/ip2(location|l)/i.test(hint)) {
      return {
        text: "This site or product includes IP2Location LITE data",
        url: "https://lite.ip2location.com",
        licence: "CC-BY-SA-4.0",
      };
    }
  }
  return null;
}

type Fields = Readonly<Record<string, unknown>>;

function asMap(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Fields : undefined;
}

function flatCountry(fields: Fields | undefined): string | undefined {
  const code = fields?.country_code ?? fields?.country;
  return typeof code === "string" ? code : undefined;
}

/** The English name, else that of the file's first language. */
function nameIn(entity: Fields | undefined): unknown {
  const names = asMap(entity?.names);
  return names === undefined ? undefined : names.en ?? Object.values(names)[0];
}
