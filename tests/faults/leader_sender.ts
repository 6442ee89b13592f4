// Sends records to the leaders of a topic's partitions, wherever they move, until every one is acknowledged. Shell: TCP connections.
import { brokerClient, type TestBroker } from "../support/kafka_broker.ts";
import type { GeneratedRecord } from "./generator.ts";
import { pause, type Sender } from "./load.ts";
import { ACKS_ALL, type Codec, RefusedError, WireProducer } from "./produce_wire.ts";

const ANSWER_MS_MAX = 10_000;
const AWAY_MS_MAX = 300_000;

/** A broker that does not answer is asked again: what it had taken is then in the log twice. */
export class LeaderSender implements Sender {
  readonly #connections = new Map<string, WireProducer>();
  #leaders: ReadonlyMap<number, string> | undefined;

  constructor(readonly broker: TestBroker, readonly topic: string, readonly signal?: AbortSignal) {}

  async send(records: readonly GeneratedRecord[], codec: Codec = "none"): Promise<boolean> {
    let open = records;
    for (const deadline = performance.now() + AWAY_MS_MAX; open.length > 0;) {
      try {
        this.#leaders ??= await this.#findLeaders();
        open = await this.#toLeaders(open, codec, this.#leaders);
        if (open.length === 0) return true;
      } catch (error) {
        if (error instanceof RefusedError) throw error;
      }
      if (this.signal?.aborted) return false;
      if (performance.now() > deadline) throw new Error(`${this.topic} took no records for ${AWAY_MS_MAX} ms`);
      this.#leaders = undefined;
      await pause(300);
    }
    return true;
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  /** Returns what was not acknowledged, in order. */
  async #toLeaders(
    records: readonly GeneratedRecord[],
    codec: Codec,
    leaders: ReadonlyMap<number, string>,
  ): Promise<GeneratedRecord[]> {
    const byLeader = Map.groupBy(records, ({ partition }) => leaders.get(partition));
    const rest = await Promise.all([...byLeader].map(async ([url, list]) => {
      if (url === undefined) return list;
      let connection = this.#connections.get(url);
      const late = AbortSignal.timeout(ANSWER_MS_MAX);
      const close = () => {
        if (this.#connections.get(url) === connection) this.#connections.delete(url);
        connection?.close();
        connection = undefined;
      };
      late.addEventListener("abort", close, { once: true });
      try {
        connection ??= await WireProducer.connect(url, { acks: ACKS_ALL, signal: late });
        this.#connections.set(url, connection);
        await connection.send(this.topic, list, codec);
        return [];
      } catch (error) {
        close();
        if (error instanceof RefusedError) throw error;
        return list;
      } finally {
        late.removeEventListener("abort", close);
      }
    }));
    return rest.flat();
  }

  async #findLeaders(): Promise<Map<number, string>> {
    const admin = brokerClient(this.broker).admin();
    try {
      await admin.connect();
      const [{ brokers }, { topics }] = await Promise.all([
        admin.describeCluster(),
        admin.fetchTopicMetadata({ topics: [this.topic] }),
      ]);
      const urls = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, `${host}:${port}`]));
      return new Map(topics[0]!.partitions.flatMap(({ partitionId, leader }) => {
        const url = urls.get(leader);
        return url === undefined ? [] : [[partitionId, url]];
      }));
    } finally {
      await admin.disconnect();
    }
  }
}
