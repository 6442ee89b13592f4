// Finds the description of a MaxMind DB file and checks that it fits the file. Pure.
// Format: https://maxmind.github.io/MaxMind-DB/ ("database metadata"): in the last 128 KiB of a file, after a marker.
import { Buffer } from "node:buffer";
import type { Reader, Response } from "maxmind";
import { type EpochMs, epochMs } from "../../shared/units.ts";
import { MmdbBounds } from "./bounds.ts";
import type { MmdbShape } from "./tree.ts";

/** The description is within so many bytes of the file's end. */
export const DESCRIPTION_BYTES_MAX = 128 * 1024;
const MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
/** Zeros between tree and data; records of the tree count from the first of them. */
export const SEPARATOR_BYTES = 16;
const FORMAT = 2;
/** 9999-12-31, the last date that can be shown. */
const BUILD_MS_MAX = 253_402_300_799_000;

/** The description, and the position of the data. */
export interface MmdbDescription extends MmdbShape {
  readonly ipVersion: 4 | 6;
  readonly databaseType: string;
  readonly buildTime: EpochMs;
  /** First byte of the data. */
  readonly dataStart: number;
}

type Metadata = Reader<Response>["metadata"];

/**
 * Returns the position of the description's marker, at which the data ends. `bytes` need hold only the end of the file.
 * @throws {Error} if there is no description, or one that the library must not decode.
 */
export function boundDescription(bytes: Uint8Array): number {
  // The same search as the library's, byte by byte backwards. It misses a marker that is followed by the start of another, and then takes an
  // earlier one. We must check what the library will decode.
  const from = Math.max(0, bytes.length - DESCRIPTION_BYTES_MAX);
  let at = bytes.length - 1, matched = 0;
  while (matched < MARKER.length && at-- > from) {
    matched = bytes[at] === MARKER[MARKER.length - 1 - matched] ? matched + 1 : 0;
  }
  if (matched < MARKER.length) throw new Error("its end holds no MMDB description: it is cut off or of another format");
  new MmdbBounds(bytes, at + MARKER.length, bytes.length).check(0);
  return at;
}

/**
 * Checks the description that the library has decoded.
 * @throws {Error} if it does not fit a file whose data ends at `dataEnd`.
 */
export function describeMmdb(metadata: Metadata, dataEnd: number): MmdbDescription {
  // The values come from the file and may be of any type: the library has checked only the record size (24, 28 or 32).
  const { nodeCount, ipVersion, binaryFormatMajorVersion: format, databaseType }: Readonly<
    Record<keyof Metadata, unknown>
  > = metadata;
  const { recordSize } = metadata;
  if (format !== FORMAT) throw new Error(`it is of format version ${shown(format)} and not ${FORMAT}`);
  const nodes = isWhole(nodeCount, 2 ** 32) ? nodeCount : 0;
  const dataStart = nodes * recordSize / 4 + SEPARATOR_BYTES;
  if (nodes === 0 || dataStart > dataEnd || (ipVersion !== 4 && ipVersion !== 6)) {
    throw new Error(
      `its description does not fit its size (${shown(nodeCount)} nodes, IP version ${shown(ipVersion)})`,
    );
  }
  const built = metadata.buildEpoch.getTime();
  if (!isWhole(built, BUILD_MS_MAX)) throw new Error("its description has no time of making that a calendar has");
  return {
    nodeCount: nodes,
    recordSize,
    ipVersion,
    databaseType: typeof databaseType === "string" ? databaseType : "",
    buildTime: epochMs(built),
    dataStart,
  };
}

function isWhole(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

/** A field for a message; `?` if it is not a number, because it may be a long text or a map. */
function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : "?";
}
