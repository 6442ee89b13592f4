// The country database that comes with the program: its name and the type of its reader. No I/O.

/** Name of the bundled file. */
export const BUNDLED_NAME = "dbip-country.mmdb";

/** Resolves with the bundled file, or with the reason why this form of the program has none. */
export type ReadBundled = () => Promise<{ readonly bytes: Uint8Array } | { readonly missing: string }>;

/** For forms of the program without the file, for example the module of a registry. */
export const withoutBundled: ReadBundled = () =>
  Promise.resolve({ missing: "This form of the program comes without a country database" });
