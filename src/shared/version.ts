// The version of this program, as deno.json states it. No I/O: the file is part of the module graph.
import manifest from "../../deno.json" with { type: "json" };

/** Semantic version. */
export const VERSION: string = manifest.version;
