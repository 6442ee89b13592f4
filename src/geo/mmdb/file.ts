// Opens and checks MMDB files and looks up addresses in them. Shell: Deno files. `maxmind` reads descriptions and records, each after MmdbBounds
// has checked its bytes.
// A file is held in one buffer: if it were read from disk at each lookup, a copy over it would mix two files.
import { Buffer } from "node:buffer";
import { Reader, type Response } from "maxmind";
import { messageOf, UsageError } from "../../shared/errors.ts";
import type { EpochMs } from "../../shared/units.ts";
import { baseName, type FileStamp, sameStamp, stampOf } from "../file_stamp.ts";
import { formatV4, formatV6 } from "../address.ts";
import { MmdbBounds } from "./bounds.ts";
import {
  boundDescription,
  describeMmdb,
  DESCRIPTION_BYTES_MAX,
  type MmdbDescription,
  SEPARATOR_BYTES,
} from "./description.ts";
import { type Attribution, attributionOf, type GeoSchema, placeOf, pointOf, schemaOf } from "./schema.ts";
import { MmdbTree, NOT_FOUND } from "./tree.ts";
import { type GeoDatabase, type GeoPoint, type Place, UNKNOWN_PLACE } from "../port.ts";

/** A file's description. */
interface MmdbFacts {
  /** File name without its folder, because pages show it. */
  readonly name: string;
  readonly databaseType: string;
  readonly v4: boolean;
  readonly v6: boolean;
  readonly buildTime: EpochMs;
  readonly sizeBytes: number;
  /** null until a deferred file has been read: see {@link OpenOptions.deferV6}. */
  readonly schema: GeoSchema | null;
  readonly attribution: Attribution | null;
}

interface OpenOptions {
  /**
   * Read only the description of an IPv6 file now, and the rest at the first IPv6 address: a city file for IPv6 has 71 MB, and most streams never
   * need it. If another file is renamed over it, the opened one is still read; if it was changed in place, it is refused.
   */
  readonly deferV6?: boolean;
  /** Hold the file in memory that threads can share. */
  readonly shared?: boolean;
  /** Called once if a deferred file is found broken; its addresses are then unknown. */
  readonly onBroken?: ((error: UsageError) => void) | undefined;
}

/** Networks in the check of a file. The sequence is fixed, so that a file is either always or never accepted. */
const SAMPLES = 2_000;

/**
 * Opens and checks the file at `path`.
 * @throws {UsageError} `bad_geo_file` if it is absent, unreadable, truncated, of another format or without countries. `main` catches it at the start;
 * a reload catches it and keeps the old file.
 */
export async function openMmdb(path: string, options: OpenOptions = {}): Promise<MmdbFile> {
  const name = baseName(path);
  let file: Deno.FsFile | undefined;
  try {
    file = await Deno.open(path);
    const stamp = stampOf(await file.stat());
    const bytes = new Uint8Array(options.shared ? new SharedArrayBuffer(stamp.size) : new ArrayBuffer(stamp.size));
    const unread = Math.max(0, bytes.length - DESCRIPTION_BYTES_MAX);
    await readRange(file, bytes, unread, bytes.length);
    const opened = new MmdbFile(bytes, name);
    if (options.deferV6 && opened.ipVersion === 6) {
      opened.defer({ file, stamp, unread, onBroken: options.onBroken });
      file = undefined;
      return opened;
    }
    await readRange(file, bytes, 0, unread);
    if (!sameStamp(stamp, stampOf(await file.stat()))) throw new Error("it changed while it was read");
    opened.check();
    return opened;
  } catch (error) {
    throw badFile(name, error);
  } finally {
    file?.close();
  }
}

async function readRange(file: Deno.FsFile, bytes: Uint8Array, start: number, end: number): Promise<void> {
  await file.seek(start, Deno.SeekMode.Start);
  for (let at = start; at < end;) {
    const read = await file.read(bytes.subarray(at, end));
    if (read === null) throw new Error("it became shorter while it was read");
    at += read;
  }
}

/** Checks a database that is already in memory; `bytes` is kept, not copied. @throws {UsageError} as {@link openMmdb}. */
export function openMmdbBytes(bytes: Uint8Array, name: string): MmdbFile {
  try {
    const opened = new MmdbFile(bytes, name);
    opened.check();
    return opened;
  } catch (error) {
    throw badFile(name, error);
  }
}

interface Deferred {
  readonly file: Deno.FsFile;
  readonly stamp: FileStamp;
  /** Bytes `[0, unread)` are still to be read. */
  readonly unread: number;
  readonly onBroken: OpenOptions["onBroken"];
}

/** An open file, made by {@link openMmdb} or {@link openMmdbBytes}. */
export class MmdbFile implements GeoDatabase {
  /** Records that could not be decoded: above zero, the file is damaged where the check did not look. */
  brokenRecords = 0;
  /** `content` in the library's type. */
  readonly #buffer: Buffer;
  readonly #reader: Reader<Response>;
  readonly #description: MmdbDescription;
  readonly #bounds: MmdbBounds;
  #tree: MmdbTree;
  #schema: GeoSchema | null = null;
  #deferred: Deferred | null = null;
  #broken = false;

  /**
   * @param content the file in memory; until {@link MmdbFile.check}, it need hold only the description, at its end
   * @throws {Error} without a description.
   */
  constructor(readonly content: Uint8Array, readonly name: string) {
    this.#buffer = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    const dataEnd = boundDescription(content);
    this.#reader = new Reader(this.#buffer);
    const description = this.#description = describeMmdb(this.#reader.metadata, dataEnd);
    this.#tree = new MmdbTree(content, description);
    this.#bounds = new MmdbBounds(content, description.dataStart, dataEnd);
  }

  /** Reads the rest at the first lookup. */
  defer(deferred: Deferred): void {
    this.#deferred = deferred;
  }

  /** Whether the whole file is in memory. */
  get loaded(): boolean {
    return this.#deferred === null;
  }

  get facts(): MmdbFacts {
    const { databaseType, ipVersion, buildTime } = this.#description;
    return {
      name: this.name,
      databaseType,
      // A deferred file has no tree yet; only files that IPv4 does not need are deferred.
      v4: this.loaded && this.#tree.hasV4,
      v6: ipVersion === 6,
      buildTime,
      sizeBytes: this.content.length,
      schema: this.#schema,
      attribution: attributionOf(databaseType, this.name),
    };
  }

  /** IP version of the description: 4 or 6. */
  get ipVersion(): number {
    return this.#description.ipVersion;
  }

  find4(address: number): number {
    return this.#ready() ? this.#tree.find4(address) : NOT_FOUND;
  }

  find6(words: Uint32Array): number {
    return this.#ready() ? this.#tree.find6(words) : NOT_FOUND;
  }

  placeOf4(address: number): Place {
    return this.#make(this.find4(address), formatV4(address), placeOf) ?? UNKNOWN_PLACE;
  }

  placeOf6(words: Uint32Array): Place {
    return this.#make(this.find6(words), formatV6(words), placeOf) ?? UNKNOWN_PLACE;
  }

  pointOf4(address: number): GeoPoint | null {
    return this.#make(this.find4(address), formatV4(address), pointOf);
  }

  pointOf6(words: Uint32Array): GeoPoint | null {
    return this.#make(this.find6(words), formatV6(words), pointOf);
  }

  /**
   * Looks up a fixed sample of the file's networks and sets the schema.
   * @throws {Error} if a record cannot be read or no record has a country.
   */
  check(): void {
    // Values derived from the tree before it was read are wrong.
    this.#reader.load(this.#buffer);
    this.#tree = new MmdbTree(this.content, this.#description);
    const words = new Uint32Array(4);
    let random = 1;
    const coin = () => (random = (Math.imul(random, 1664525) + 1013904223) | 0) >>> 31;
    const seen = new Set<number>();
    for (let i = 0; i < SAMPLES; i++) {
      const record = this.#tree.sample(coin, words);
      if (record === NOT_FOUND || seen.has(record)) continue;
      seen.add(record);
      // Decoded even if the schema is known: an unreadable record shows that the file is damaged.
      const value = this.#read(record, this.ipVersion === 4 ? formatV4(words[0]!) : formatV6(words));
      this.#schema ??= schemaOf(value);
    }
    if (this.#schema === null) throw new Error("it has no records that name a country");
  }

  /** Closes the handle of a deferred file. */
  close(): void {
    this.#deferred?.file.close();
    this.#deferred = null;
  }

  /** Reads the rest of a deferred file now. @throws {UsageError} `bad_geo_file`. */
  load(): void {
    const deferred = this.#deferred;
    if (deferred === null) return;
    this.#deferred = null;
    try {
      deferred.file.seekSync(0, Deno.SeekMode.Start);
      for (let at = 0; at < deferred.unread;) {
        const read = deferred.file.readSync(this.content.subarray(at, deferred.unread));
        if (read === null) throw new Error("it became shorter after it was opened");
        at += read;
      }
      const now = stampOf(deferred.file.statSync());
      if (!sameStamp(deferred.stamp, now)) throw new Error("it was changed in place after it was opened");
      this.check();
    } catch (error) {
      this.#broken = true;
      throw badFile(this.name, error);
    } finally {
      deferred.file.close();
    }
  }

  #ready(): boolean {
    const deferred = this.#deferred;
    if (deferred === null) return !this.#broken;
    try {
      this.load();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      deferred.onBroken?.(error);
    }
    return !this.#broken;
  }

  /** The record of an address. @throws {Error} if it cannot be read, or only in too many steps. */
  #read(record: number, address: string): unknown {
    this.#bounds.check(record - this.#description.nodeCount - SEPARATOR_BYTES);
    // The library walks the tree once more, to the same record: the fuzz target `mmdb` compares the two walks.
    return this.#reader.get(address);
  }

  #make<T>(record: number, address: string, of: (value: unknown) => T): T | null {
    if (record === NOT_FOUND) return null;
    try {
      return of(this.#read(record, address));
    } catch {
      // The file passed its check, but one record is broken. One address must not stop the stream.
      this.brokenRecords++;
      return null;
    }
  }
}

function badFile(name: string, cause: unknown): UsageError {
  if (cause instanceof UsageError) return cause;
  const why = cause instanceof Deno.errors.NotFound ? "there is no such file" : messageOf(cause);
  const error = new UsageError(
    [`Cannot use the address database ${name}: ${why}.`],
    "Put a whole MMDB file there (country or city), run `tidemark geo install`, or correct GEO_DATABASE.",
    "bad_geo_file",
  );
  error.cause = cause;
  return error;
}
