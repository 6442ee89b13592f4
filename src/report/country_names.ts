// ISO country code → English name, for people. Pure; the names come with the runtime's ICU.

const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" });

/** What the codes that are no country say about the address. */
const NO_COUNTRY: Readonly<Record<string, string>> = {
  unknown: "(unknown)",
  private: "(private network)",
  invalid: "(invalid address)",
};

/** English name of an ISO 3166-1 alpha-2 code; a code without a name is its own name. */
export function countryName(code: string): string {
  const known = NO_COUNTRY[code];
  if (known !== undefined) return known;
  if (!/^[A-Z]{2}$/.test(code)) return code;
  return names.of(code) ?? code;
}

/** What a place is called beside others: the city, or why there is none. */
export function placeLabel(
  place: { readonly country: string; readonly region: string; readonly city: string },
): string {
  return place.city || (place.region ? `${place.region} (region)` : place.country);
}
