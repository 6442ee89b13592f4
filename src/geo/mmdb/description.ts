// What a MaxMind DB file says about itself: whether the library may read it, and whether that can be true of the file. Pure.
// Format: https://maxmind.github.io/MaxMind-DB/ ("database metadata"), which lies in the last 128 KiB of a file, behind a marker.
import { Buffer } from "node:buffer";
import type { Reader, Response } from "maxmind";
import { type EpochMs, epochMs } from "../../shared/units.ts";
import { MmdbBounds } from "./bounds.ts";
import type { MmdbShape } from "./tree.ts";

/** The description's part of a file, counted from its end. */
export const DESCRIPTION_BYTES_MAX = 128 * 1024;
const MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
/** Zeros between tree and data; a record of the tree counts from their first byte. */
export const SEPARATOR_BYTES = 16;
const FORMAT = 2;
/** 9999-12-31: what can be shown as a date. */
const BUILD_MS_MAX = 253_402_300_799_000;

/** The description, with where the file's parts lie. */
export interface MmdbDescription extends MmdbShape {
  readonly ipVersion: 4 | 6;
  readonly databaseType: string;
  readonly buildTime: EpochMs;
  readonly languages: readonly string[];
  /** First byte of the data. */
  readonly dataStart: number;
}

type Metadata = Reader<Response>["metadata"];

/**
 * Returns where the data of the file `bytes` ends and the description's marker starts, once the library may read the description. No more than the
 * end of the file need be there.
 * @throws {Error} where there is no description, or one that the library must not read.
 */
export function boundDescription(bytes: Uint8Array): number {
  // The library's own search, byte by byte backwards: it misses a marker that a part of one follows, and then reads at an earlier one. What it
  // will read is what has to be looked at.
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
 * What the library has read, where it fits a file whose data ends at `dataEnd`.
 * @throws {Error} where it does not.
 */
export function describeMmdb(metadata: Metadata, dataEnd: number): MmdbDescription {
  // The library's types are promises of the file: only the record size (24, 28 or 32) has been looked at.
  const { nodeCount, ipVersion, binaryFormatMajorVersion: format, databaseType, languages }: Readonly<
    Record<keyof Metadata, unknown>
  > = metadata;
  const { recordSize } = metadata;
  if (format !== FORMAT) throw new Error(`it is of format version ${shown(format)} and not ${FORMAT}`);
  const dataStart = isWhole(nodeCount, 2 ** 32) ? nodeCount * recordSize / 4 + SEPARATOR_BYTES : Infinity;
  if (nodeCount === 0 || dataStart > dataEnd || (ipVersion !== 4 && ipVersion !== 6)) {
    throw new Error(
      `its description does not fit its size (${shown(nodeCount)} nodes, IP version ${shown(ipVersion)})`,
    );
  }
  const built = metadata.buildEpoch.getTime();
  if (!isWhole(built, BUILD_MS_MAX)) throw new Error("its description has no time of making that a calendar has");
  return {
    nodeCount: nodeCount as number,
    recordSize,
    ipVersion,
    databaseType: typeof databaseType === "string" ? databaseType : "",
    buildTime: epochMs(built),
    languages: Array.isArray(languages) ? languages.filter((language) => typeof language === "string") : [],
    dataStart,
  };
}

function isWhole(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

/** A field for a message. What is not a number may be a text of any length, or a map. */
function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : "?";
}
