// What is shown of the address databases in use: by HTTP, the pages and `tidemark geo status`. Types only.
import type { EpochMs } from "../shared/units.ts";
import type { Attribution, GeoSchema } from "./mmdb/schema.ts";

/** One file, without its folder. */
export interface GeoFileState {
  readonly name: string;
  /** As the file says, e.g. `city ipv4`, `GeoLite2-City`. */
  readonly type: string;
  /** The families for which this file is asked. */
  readonly families: readonly ("ipv4" | "ipv6")[];
  readonly buildTime: EpochMs;
  /** Whole days since `buildTime`, at the moment of asking. */
  readonly ageDays: number;
  readonly sizeBytes: number;
  /** null until the file is read (an IPv6 file is read when the first IPv6 address comes). */
  readonly schema: GeoSchema | null;
  readonly attribution: Attribution | null;
  /** Records met so far that could not be decoded; above zero the file is damaged where its check did not look. */
  readonly brokenRecords: number;
}

/** `setting`: GEO_DATABASE; `installed`: by `tidemark geo install`; `bundled`: countries only; `none`: no address can be placed. */
export type GeoOrigin = "setting" | "installed" | "bundled" | "none";

/** Look-ups since the start. */
export interface GeoCounts {
  readonly located: number;
  /** Not answered by a cache. */
  readonly walked: number;
  /** Without a place. */
  readonly missed: number;
}

export interface GeoState {
  readonly origin: GeoOrigin;
  readonly files: readonly GeoFileState[];
  /** When the files in use were loaded; null where there are none. */
  readonly loadedAt: EpochMs | null;
  /** Why newer files are not used, or places are unknown; null when all is well. */
  readonly lastError: string | null;
}
