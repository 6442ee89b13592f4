// Address databases for several threads: one copy of the bytes, and a reader in each thread. No I/O.
import type { GeoState } from "./geo_state.ts";
import { type MmdbFile, openMmdbBytes } from "./mmdb/file.ts";

/** One file. Its bytes are in a SharedArrayBuffer, so that a thread gets them without a copy. */
interface SharedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The file of each family; both may be the same. */
export interface SharedGeo {
  readonly v4: SharedFile | null;
  readonly v6: SharedFile | null;
}

/** The same bytes in memory that threads can share. */
export function sharedCopy(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/** Readers over shared files, which were checked when they were opened. @throws {UsageError} `bad_geo_file` as `openMmdb` */
export function openShared({ v4, v6 }: SharedGeo): { readonly v4: MmdbFile | null; readonly v6: MmdbFile | null } {
  const open = (file: SharedFile | null) => file === null ? null : openMmdbBytes(file.bytes, file.name);
  const first = open(v4);
  return { v4: first, v6: v6 !== null && v6.bytes.buffer === v4?.bytes.buffer ? first : open(v6) };
}

/** Broken records found by one thread's readers, by file name. */
export type BrokenRecords = Readonly<Record<string, number>>;

export function brokenRecordsOf(files: readonly (MmdbFile | null)[]): BrokenRecords {
  return Object.fromEntries(
    [...new Set(files)].flatMap((file) => file === null ? [] : [[file.name, file.brokenRecords]]),
  );
}

/** The state, with the broken records of other threads added. */
export function withBrokenRecords(state: GeoState, met: readonly BrokenRecords[]): GeoState {
  return {
    ...state,
    files: state.files.map((file) => ({
      ...file,
      brokenRecords: met.reduce((sum, broken) => sum + (broken[file.name] ?? 0), file.brokenRecords),
    })),
  };
}
