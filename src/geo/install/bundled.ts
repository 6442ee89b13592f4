// The country database that comes with the program: what its reader gives, and its name. No I/O.

/** Base name shown for the bundled file. */
export const BUNDLED_NAME = "dbip-country.mmdb";

/** Resolves with the bundled file, or with the reason in words why there is no such file in this form of the program. */
export type ReadBundled = () => Promise<{ readonly bytes: Uint8Array } | { readonly missing: string }>;

/** For forms of the program that come without the file, as the module of a registry does. */
export const withoutBundled: ReadBundled = () =>
  Promise.resolve({ missing: "This form of the program comes without a country database" });
