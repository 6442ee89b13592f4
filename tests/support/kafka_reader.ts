// Reads a Kafka source as the engine does, with positions in a plain map, for integration tests.
import { assertEquals } from "@std/assert";
import { systemClock } from "../../src/shared/clock.ts";
import { Unavailable } from "../../src/shared/errors.ts";
import { type Log, silentLog } from "../../src/shared/log.ts";
import { type Offset, type PartitionId, partitionId } from "../../src/shared/units.ts";
import type { KafkaSourceOptions } from "../../src/source/kafka/session.ts";
import { createKafkaSource, type KafkaSource } from "../../src/source/kafka/source.ts";
import type { KafkaConnection } from "../../src/source/kafka/client.ts";
import type { FetchedBatch, SourceEvent } from "../../src/source/port.ts";
import type { TestBroker } from "./kafka_broker.ts";

/** A record as it was delivered. `value` is the text, or `null` for a tombstone. */
export interface SeenRecord {
  readonly partition: number;
  readonly offset: number;
  readonly time: number;
  readonly value: string | null;
}

export const plainConnection = (broker: TestBroker): KafkaConnection => ({
  brokers: [broker.url],
  clientId: "tidemark-test",
  tls: null,
  sasl: null,
});

/** A source of `topic` with a group of the same name. */
export function testSource(broker: TestBroker, topic: string, over: Partial<KafkaSourceOptions> = {}): KafkaSource {
  const log: Log = silentLog;
  return createKafkaSource({
    connection: plainConnection(broker),
    topic,
    group: topic,
    clock: systemClock,
    log,
    ...over,
  });
}

/** Reads a source from one loop. */
export class TestReader implements AsyncDisposable {
  readonly records: SeenRecord[] = [];
  readonly batches: FetchedBatch[] = [];
  /** All events except batches and timeouts. */
  readonly events: SourceEvent[] = [];
  /** Whether a copy of the values is kept. */
  keepValues = true;

  constructor(
    readonly source: KafkaSource,
    /** Next offset by partition; a partition without one is read from the log's start. */
    readonly store = new Map<PartitionId, Offset>(),
  ) {}

  async open(): Promise<this> {
    await this.source.open(new AbortController().signal);
    return this;
  }

  /** Polls once and handles the event. A batch that does not start at the stored position is an error of the source. */
  async step(maxWaitMs = 200): Promise<SourceEvent> {
    const event = await this.source.poll(maxWaitMs);
    if (event.kind === "assigned") {
      try {
        await this.#start(event.generation);
      } catch (error) {
        // As in the engine, no records come until the source is asked again or assigns anew.
        if (!(error instanceof Unavailable)) throw error;
        this.events.push({ kind: "unavailable", reason: error.message, code: error.code, action: error.action });
      }
    }
    if (event.kind === "batch") this.take(event.batch);
    else if (event.kind !== "timeout") this.events.push(event);
    return event;
  }

  /** Polls until `done` holds. @throws Error that lists the events after `limitMs` */
  async until(done: () => boolean, limitMs = 20_000): Promise<this> {
    const deadline = Date.now() + limitMs;
    while (!done()) {
      if (Date.now() > deadline) {
        const seen = this.events.map((event) => "reason" in event ? event.reason : event.kind).join("; ");
        throw new Error(`Not reached within ${limitMs} ms; ${this.records.length} records; events: ${seen}`);
      }
      await this.step();
    }
    return this;
  }

  /** Waits for the first event of a kind. */
  async event<K extends SourceEvent["kind"]>(kind: K, limitMs?: number): Promise<Extract<SourceEvent, { kind: K }>> {
    const find = () =>
      this.events.find((event) => event.kind === kind) as Extract<SourceEvent, { kind: K }> | undefined;
    await this.until(() => find() !== undefined, limitMs);
    return find()!;
  }

  take(batch: FetchedBatch): void {
    assertEquals(batch.from, this.store.get(batch.partition), `partition ${batch.partition}`);
    this.batches.push(batch);
    for (const run of batch.runs) {
      run.walk(batch.from, (bytes, start, end, offset, time) => {
        const value = end < 0 ? null : this.keepValues ? new TextDecoder().decode(bytes.subarray(start, end)) : "";
        this.records.push({ partition: batch.partition, offset, time, value });
      });
    }
    this.store.set(batch.partition, batch.next);
  }

  values(partition = 0): (string | null)[] {
    return this.records.filter((record) => record.partition === partition).map(({ value }) => value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.close(5_000);
  }

  async #start(generation: number): Promise<void> {
    const { partitions } = await this.source.identify();
    for (const { partition, logStart } of partitions) {
      if (!this.store.has(partition)) this.store.set(partitionId(partition), logStart);
    }
    this.source.resume(generation, this.store);
  }
}
