// A topic as a broker keeps it: records, control records, transactions, compaction, retention, truncation, a second life under another id. Pure.
import type { EpochMs, Offset, PartitionId } from "../../src/shared/units.ts";
import type { FetchedBatch, RecordRun } from "../../src/source/port.ts";

/** One offset of a partition. */
export interface Entry {
  /** `null` = tombstone. Absent for control records. */
  readonly value: Uint8Array | null;
  readonly control: boolean;
  readonly recordTime: number;
  /** The transaction that wrote it. */
  readonly transaction: number | null;
}

/** What one fetch says of one partition. */
export type FetchAnswer =
  | { readonly kind: "out_of_range" }
  | { readonly kind: "records"; readonly batch: Omit<FetchedBatch, "sentAt"> };

export class ModelPartition {
  readonly id: PartitionId;
  logStart = 0;
  /** By offset; compacted ones are removed. Nothing is removed by retention or truncation: the oracle reads here. */
  readonly entries = new Map<number, Entry>();
  readonly aborted = new Set<number>();
  logEnd = 0;
  /** No reader got anything at or above this offset. */
  fetchedTo = 0;
  /** Open transaction → its first offset. */
  readonly #open = new Map<number, number>();

  constructor(id: PartitionId) {
    this.id = id;
  }

  get lastStable(): number {
    let lowest = this.logEnd;
    for (const first of this.#open.values()) if (first < lowest) lowest = first;
    return lowest;
  }

  append(entry: Entry): void {
    if (entry.transaction !== null && !this.#open.has(entry.transaction)) {
      this.#open.set(entry.transaction, this.logEnd);
    }
    this.entries.set(this.logEnd++, entry);
  }

  /** Ends a transaction with its control record. */
  end(transaction: number, outcome: "commit" | "abort", recordTime: number): void {
    if (!this.#open.has(transaction)) return;
    if (outcome === "abort") this.aborted.add(transaction);
    this.#open.delete(transaction);
    this.entries.set(this.logEnd++, { value: null, control: true, recordTime, transaction: null });
  }

  get openTransactions(): readonly number[] {
    return [...this.#open.keys()];
  }

  /** Whether a consumer is given the record at `offset`. */
  delivered(entry: Entry): boolean {
    return !entry.control && !(entry.transaction !== null && this.aborted.has(entry.transaction));
  }

  /** Compaction removes `offset`, if it has not been read yet: what was read must read the same again for the oracle. */
  compact(offset: number): void {
    if (offset < this.lastStable && offset >= this.fetchedTo) this.entries.delete(offset);
  }

  /** The broker lost everything from `end` on. */
  truncate(end: number): void {
    this.logEnd = Math.min(this.logEnd, Math.max(end, this.logStart));
    for (const [transaction, first] of this.#open) if (first >= this.logEnd) this.#open.delete(transaction);
  }

  /** Reads up to `records` offsets from `from`, committed transactions only. */
  fetch(from: number, offsetsMax: number): FetchAnswer {
    if (from < this.logStart || from > this.logEnd) return { kind: "out_of_range" };
    const stable = this.lastStable;
    let next = from, taken = 0;
    const records: { readonly offset: number; readonly entry: Entry }[] = [];
    while (next < stable && taken < offsetsMax) {
      const entry = this.entries.get(next);
      if (entry) {
        taken++;
        if (this.delivered(entry)) records.push({ offset: next, entry });
      }
      next++;
    }
    this.fetchedTo = Math.max(this.fetchedTo, next);
    const run: RecordRun = {
      walk: (start, visit) => {
        for (const { offset, entry: { value, recordTime } } of records) {
          if (offset >= start) visit(value ?? EMPTY, 0, value === null ? -1 : value.length, offset, recordTime);
        }
      },
    };
    return {
      kind: "records",
      batch: {
        partition: this.id,
        from: from as Offset,
        next: next as Offset,
        logStart: this.logStart as Offset,
        logEnd: this.logEnd as Offset,
        lastStable: stable as Offset,
        runs: records.length > 0 ? [run] : [],
      },
    };
  }
}

const EMPTY = new Uint8Array();

export class ModelTopic {
  topicId: string;
  partitions: ModelPartition[] = [];
  /** Rises with each life of the topic. */
  life = 1;
  /** Whether fetches, metadata and group requests are answered. */
  available = true;

  constructor(partitions: number) {
    this.topicId = topicIdOf(1);
    for (let i = 0; i < partitions; i++) this.addPartition();
  }

  addPartition(): ModelPartition {
    const partition = new ModelPartition(this.partitions.length as PartitionId);
    this.partitions.push(partition);
    return partition;
  }

  /** Deleted and created again with other partitions, all empty. */
  recreate(partitions: number): void {
    this.partitions = [];
    this.topicId = topicIdOf(++this.life);
    for (let i = 0; i < partitions; i++) this.addPartition();
  }
}

const topicIdOf = (life: number) => life.toString(16).padStart(32, "0");

/** Record time of a record made at `producerTime` and appended at `brokerTime`. */
export function recordTime(kind: "create" | "append", producerTime: number, brokerTime: number): EpochMs {
  return (kind === "create" ? producerTime : brokerTime) as EpochMs;
}
