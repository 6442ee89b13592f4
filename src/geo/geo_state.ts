// The state of the address databases, as the API, the pages and `tidemark geo status` show it. Types only.
import type { EpochMs } from "../shared/units.ts";
import type { Attribution, GeoSchema } from "./mmdb/schema.ts";

/** One file. */
export interface GeoFileState {
  readonly name: string;
  /** Database type of the file, e.g. `city ipv4`, `GeoLite2-City`. */
  readonly type: string;
  /** The address families that this file answers for. */
  readonly families: readonly ("ipv4" | "ipv6")[];
  readonly buildTime: EpochMs;
  /** Whole days since `buildTime`. */
  readonly ageDays: number;
  readonly sizeBytes: number;
  /** null until the file is read; an IPv6 file is read at the first IPv6 address. */
  readonly schema: GeoSchema | null;
  readonly attribution: Attribution | null;
  /** Records that could not be decoded so far: above zero, the file is damaged where its check did not look. */
  readonly brokenRecords: number;
}

/** `setting`: GEO_DATABASE; `installed`: by `tidemark geo install`; `bundled`: countries only; `none`: no address can be placed. */
export type GeoOrigin = "setting" | "installed" | "bundled" | "none";

/** Lookups since the start. */
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
  /** When the files in use were loaded; null without files. */
  readonly loadedAt: EpochMs | null;
  /** Why newer files are not used, or places are unknown; else null. */
  readonly lastError: string | null;
}
