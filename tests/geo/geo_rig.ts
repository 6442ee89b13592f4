// What the tests of this folder share: records, a small world of networks, and addresses as bytes.
import type { MmdbNetwork } from "../support/mmdb_writer.ts";
import type { Place, PlaceLocator } from "../../src/geo/port.ts";

/** A record as ip-location-db writes it. */
export const flat = (country_code: string, state1 = "", city = "") => ({ city, country_code, state1, latitude: 1 });

/** A record as MaxMind writes it. */
export const nested = (iso: string, region?: string, city?: string) => ({
  country: { iso_code: iso, names: { de: "Land", en: "Country" } },
  ...(region === undefined
    ? {}
    : { subdivisions: [{ iso_code: "R1", names: { en: region } }, { names: { en: "Inner" } }] }),
  ...(city === undefined ? {} : { city: { names: { de: `${city} (de)`, en: city } } }),
});

export const V4_NETWORKS: readonly MmdbNetwork[] = [
  { address: "8.0.0.0", prefixLength: 8, record: flat("US", "Louisiana", "Monroe") },
  { address: "8.8.8.0", prefixLength: 24, record: flat("US", "California", "Mountain View") },
  { address: "8.8.8.64", prefixLength: 27, record: flat("US", "Oregon", "Portland") },
  { address: "8.8.8.77", prefixLength: 32, record: flat("US", "Maine", "Portland") },
  { address: "200.0.0.0", prefixLength: 7, record: flat("br", "Bahia", "Salvador") },
  { address: "10.0.0.0", prefixLength: 8, record: flat("DE", "Nowhere", "Intranet") },
];

export const V6_NETWORKS: readonly MmdbNetwork[] = [
  { address: "2a00:0:0:0:0:0:0:0", prefixLength: 12, record: flat("FR", "Île-de-France", "Paris") },
  { address: "2a00:1450:4001:82a:0:0:0:0", prefixLength: 64, record: flat("DE", "Hesse", "Frankfurt am Main") },
  { address: "2a00:1450:4001:82a:0:0:0:42", prefixLength: 128, record: flat("DE", "Hesse", "Kassel") },
  { address: "808:0:0:0:0:0:0:0", prefixLength: 16, record: flat("XK", "", "Never asked") },
];

const encoder = new TextEncoder();

/** The place of an address given as text. */
export function locate(locator: PlaceLocator, address: string): Place {
  const bytes = encoder.encode(address);
  return locator.place(locator.locate(bytes, 0, bytes.length));
}

/** `country/region/city`, short enough for tables. */
export function brief(locator: PlaceLocator, address: string): string {
  const { countryCode, region, city } = locate(locator, address);
  return city === "" && region === "" ? countryCode : `${countryCode}/${region}/${city}`;
}

/** Runs `test` with a folder that is removed afterwards. */
export async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-geo-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
