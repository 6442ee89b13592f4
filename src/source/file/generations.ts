// What a log knows of each file's content, and the port of the store that keeps it. No I/O but through the port.
import { createHash } from "node:crypto";
import type { PartitionId } from "../../shared/units.ts";

/** A fingerprint covers at most this much of a file's uncompressed beginning: several log lines with their times. */
export const FINGERPRINT_BYTES_MAX = 1024;
/** How many bytes of a file's beginning are looked at. */
export const PEEK_BYTES = 64 * 1024;

/** A proof of a beginning covers at most this much. */
export const PROOF_BYTES_MAX = 4096;

/** A digest of bytes that were read right before a position. The same content is recognised by it. */
interface ReadProof {
  /** One past the last byte that the digest covers. */
  readonly to: number;
  /** How many bytes it covers, at least 1. */
  readonly bytes: number;
  /** SHA-256 in hex of content bytes `[to - bytes, to)`. */
  readonly digest: string;
}

/** One part of a file's content: all of it, unless the file grew after it had been left. */
export interface Generation {
  /** From 1, in reading order. 0 is {@link BEGINNING}; below 0 are files that are not read: from before the stream, or copies. */
  readonly generation: number;
  /** SHA-256 in hex of the first `fingerprintBytes` bytes of the uncompressed content. */
  readonly fingerprint: string;
  /** 1 to {@link FINGERPRINT_BYTES_MAX}; it grows with a file that was short when it was first seen. */
  readonly fingerprintBytes: number;
  /** Where the content was last seen. */
  readonly path: string;
  /** Uncompressed bytes that the content is known to have; one past this generation's last byte once `finished`. */
  readonly sizeSeen: number;
  /** No more of it is read. */
  readonly finished: boolean;
  /** The first generation of the same content; equal to `generation` unless the file was read on after it had grown. */
  readonly content: number;
  /** First byte of this generation. */
  readonly fromByte: number;
  /** Null before anything was read, and in rows of earlier releases, which stored no proofs. */
  readonly proof: ReadProof | null;
  /** Time of the last event read, epoch ms. */
  readonly lastTime: number | null;
  /** Its file is not read on even if it seems longer: it is compressed, or an operator gave it up. */
  readonly sealed: boolean;
  /** Name of the format of its first lines; null if none was found, or if an earlier release numbered it. */
  readonly format: string | null;
}

/** Number of the row that is stored once the files from before the stream are known: every other file is part of it. */
export const BEGINNING = 0;

/** Keeps generations beside the positions that refer to them. */
export interface GenerationStore {
  /** All generations of this log, in any order. */
  load(): Promise<Generation[]>;
  /** Inserts or replaces the row of `generation.generation`; durable when it resolves. */
  save(generation: Generation): Promise<void>;
}

/** A log by the name under which the stream knows it. */
export interface LogName {
  /** Real path of its folder, and its file's name without what rotation adds. */
  readonly name: string;
  /** The path of the setting by which it was found, absolute. */
  readonly foundBy: string;
}

/** A log of the stream, as it is stored in the statement that makes its partition. */
export interface StoredLog extends LogName {
  readonly partition: PartitionId;
}

/** What the stream knows of its logs. */
export interface LogStore {
  /** In any order. Empty for a stream of an earlier release: all that it read is partition 0. */
  logs(): Promise<readonly StoredLog[]>;
  generations(partition: PartitionId): GenerationStore;
}

/** Generations in memory, for tests and for reading a log without keeping positions. */
class MemoryGenerations implements GenerationStore {
  readonly #rows = new Map<number, Generation>();
  load(): Promise<Generation[]> {
    return Promise.resolve([...this.#rows.values()]);
  }
  save(generation: Generation): Promise<void> {
    this.#rows.set(generation.generation, generation);
    return Promise.resolve();
  }
}

/** Logs in memory. */
export class MemoryLogs implements LogStore {
  readonly stored: StoredLog[] = [];
  readonly #generations = new Map<PartitionId, MemoryGenerations>();
  logs(): Promise<readonly StoredLog[]> {
    return Promise.resolve(this.stored);
  }
  generations(partition: PartitionId): MemoryGenerations {
    const known = this.#generations.get(partition) ?? new MemoryGenerations();
    this.#generations.set(partition, known);
    return known;
  }
  /** Stores new logs, as the join of a stream does in the database. */
  join(partitions: readonly { readonly partition: PartitionId; readonly logs?: readonly LogName[] }[]): void {
    for (const { partition, logs = [] } of partitions) {
      for (const log of logs) {
        if (!this.stored.some(({ name }) => name === log.name)) this.stored.push({ ...log, partition });
      }
    }
  }
}

/** For a reader beside the stream: reads what the stream has stored, and keeps new generations in memory only. */
export class BesideLogs implements LogStore {
  readonly #stored: LogStore;
  constructor(stored: LogStore) {
    this.#stored = stored;
  }
  logs(): Promise<readonly StoredLog[]> {
    return this.#stored.logs();
  }
  generations(partition: PartitionId): GenerationStore {
    const stored = this.#stored.generations(partition), own = new MemoryGenerations();
    return {
      load: async () => {
        const found = await own.load(), numbers = new Set(found.map(({ generation }) => generation));
        return [...(await stored.load()).filter(({ generation }) => !numbers.has(generation)), ...found];
      },
      save: (generation) => own.save(generation),
    };
  }
}

/** SHA-256 in hex of `head[0, bytes)`. */
export function fingerprintOf(head: Uint8Array, bytes: number): string {
  return createHash("sha256").update(head.subarray(0, bytes)).digest("hex");
}

/** Whether a file that begins with `head` can still be the generation's. */
export function beginsAs(
  generation: Pick<Generation, "fingerprint" | "fingerprintBytes">,
  head: Uint8Array,
): boolean {
  const { fingerprint, fingerprintBytes: bytes } = generation;
  if (head.length < bytes) return false;
  // Kept, because one look compares a file with every content.
  const known = digests.get(head) ?? new Map<number, string>();
  const digest = known.get(bytes) ?? fingerprintOf(head, bytes);
  digests.set(head, known.set(bytes, digest));
  return digest === fingerprint;
}

/** Fingerprints by beginning and length; a beginning is never written to. */
const digests = new WeakMap<Uint8Array, Map<number, string>>();

/** One file's content over all its generations. */
export interface Content {
  /** Number of its first generation. */
  readonly number: number;
  readonly fingerprint: string;
  readonly fingerprintBytes: number;
  /** Uncompressed bytes that it is known to have. */
  readonly sizeSeen: number;
  /** The proof with the highest `to`. */
  readonly proof: ReadProof | null;
  readonly lastTime: number | null;
  /** Its generation with the highest number. */
  readonly latest: Generation;
  readonly generations: readonly number[];
}

/** Whether it is a copy such as `access.log.bak`, which is not read because another file of the log holds all of it. */
export function isCopied({ number, latest }: Pick<Content, "number" | "latest">): boolean {
  return number < BEGINNING && latest.fromByte > 0;
}

/**
 * Whether what the file held when it was found may have been read before it was edited: an operator decides about that, and nothing behind
 * it was read yet. Its proof ends before the last newline of that, as no other one does; earlier releases stored none.
 */
export function isAfterChange({ generation, content, fromByte, proof }: Generation): boolean {
  return generation > BEGINNING && content === generation && fromByte > 0 &&
    (proof === null || proof.to === fromByte - 1);
}

/** The proof of the bytes before byte `to` of a file's beginning, or before the beginning's end. Null if there are none. */
export function proofOf(beginning: Uint8Array, to: number): ReadProof | null {
  const end = Math.min(to, beginning.length), from = Math.max(0, end - PROOF_BYTES_MAX);
  if (end === 0) return null;
  return { to: end, bytes: end - from, digest: fingerprintOf(beginning.subarray(from, end), end - from) };
}

/** Contents by rising number. */
export function contentsOf(known: Iterable<Generation>): Content[] {
  const groups = new Map<number, Generation[]>();
  for (const generation of known) {
    if (generation.generation === BEGINNING) continue;
    const group = groups.get(generation.content);
    if (group) group.push(generation);
    else groups.set(generation.content, [generation]);
  }
  return [...groups.values()].map(contentOf).sort((a, b) => a.number - b.number);
}

function contentOf(group: Generation[]): Content {
  group.sort((a, b) => a.generation - b.generation);
  const latest = group.at(-1)!;
  const known = group.reduce((a, b) => b.fingerprintBytes > a.fingerprintBytes ? b : a);
  const proofs = group.flatMap(({ proof }) => proof ?? []).sort((a, b) => b.to - a.to);
  const times = group.flatMap(({ lastTime }) => lastTime ?? []);
  return {
    number: latest.content,
    fingerprint: known.fingerprint,
    fingerprintBytes: known.fingerprintBytes,
    sizeSeen: Math.max(...group.map(({ sizeSeen }) => sizeSeen)),
    proof: proofs[0] ?? null,
    lastTime: times.length > 0 ? Math.max(...times) : null,
    latest,
    generations: group.map(({ generation }) => generation),
  };
}

/** The generation of a content that has no other one yet, as a look showed its file; nothing of it was read. */
export function newGeneration(
  number: number,
  file: { readonly path: string; readonly head: Uint8Array; readonly compressed: boolean },
): Generation {
  const fingerprintBytes = Math.min(file.head.length, FINGERPRINT_BYTES_MAX);
  return {
    generation: number,
    fingerprint: fingerprintOf(file.head, fingerprintBytes),
    fingerprintBytes,
    path: file.path,
    sizeSeen: 0,
    finished: false,
    content: number,
    fromByte: 0,
    proof: null,
    lastTime: null,
    sealed: file.compressed,
    format: null,
  };
}
