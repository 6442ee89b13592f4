// ISO country code → English name, for people. Pure; the names come with the runtime's ICU.

const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" });

/** Names of the codes for addresses without a country. */
const NO_COUNTRY: Readonly<Record<string, string>> = {
  unknown: "(unknown)",
  private: "(private network)",
  invalid: "(invalid address)",
};

const LETTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

/** English name of an ISO 3166-1 alpha-2 code, or the code itself. */
export function countryName(code: string): string {
  const known = NO_COUNTRY[code];
  if (known !== undefined) return known;
  if (!/^[A-Z]{2}$/.test(code)) return code;
  return names.of(code) ?? code;
}

let codes: ReadonlyMap<string, string> | undefined;

/** The code of a country's code or English name in any case; another text stays unchanged. */
export function countryCodeOf(text: string): string {
  if (/^[A-Za-z]{2}$/.test(text)) return text.toUpperCase();
  codes ??= new Map([
    ...Object.entries(NO_COUNTRY).map(([code, name]) => [name, code] as const),
    ...LETTERS.flatMap((a) => LETTERS.map((b) => a + b)).flatMap((code) => {
      const name = names.of(code);
      return name === undefined ? [] : [[name.toLowerCase(), code] as const];
    }),
  ]);
  return codes.get(text.toLowerCase()) ?? text;
}

/** Short name of a place: the city, or why it is unknown. */
export function placeLabel(
  place: { readonly country: string; readonly region: string; readonly city: string },
): string {
  return place.city || (place.region ? `${place.region} (region)` : place.country);
}
