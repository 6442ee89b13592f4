// The measured figures of `tidemark plan`, each with its source. No I/O.

interface Figure {
  readonly value: number;
  readonly unit: string;
  /** The command that measures it again, and the conditions of the measurement. */
  readonly source: string;
}

const storage = "deno task bench storage: PostgreSQL 15, 1.08 million demo events, 2.9 a row, 2 cores";
const peers = "deno task bench peers: 5 million events into 935,104 rows, median of three interleaved runs, 2 cores";
const oldStack = "deno task bench old-stack: a minute without anything to do";
const speed = "docs/performance.md: catching up from a real broker, one process, 2 cores";

export const FIGURES = {
  serviceCpu: { value: 1.2, unit: "CPU-seconds per million events", source: speed },
  serviceMemory: {
    value: 290,
    unit: "MiB of one process at its most, catching up, with a city database (175 with the country database)",
    source: speed,
  },
  postgresCpu: {
    value: 5.4,
    unit: "CPU-microseconds per dirty key, its share of closing included",
    source: `${storage}; the worst of sixteen runs, the others 3.7 to 5.3`,
  },
  rowBytes: { value: 69, unit: "bytes per row beside its texts, index included", source: storage },
  textBytes: { value: 37, unit: "bytes of the five texts of a row, where you give none", source: storage },
  walPerRow: { value: 90, unit: "bytes of write-ahead log per row beside its texts", source: storage },
  walPerDirtyKey: { value: 36, unit: "bytes of write-ahead log per dirty key", source: `${storage}; 33 to 40` },
  walPerCommit: { value: 1_600, unit: "bytes of write-ahead log per commit, between closings", source: storage },
  dayRowBytes: {
    value: 650,
    unit: "bytes per rolled-up key and UTC day, with its hours and indexes",
    source: `${storage}; 20,000 keys on 5 days`,
  },
  flinkCpu: { value: 7.8, unit: "CPU-seconds per million events of Flink 2.2", source: peers },
  flinkMemory: { value: 1_610, unit: "MiB of Flink's one JVM at its most (heap of 2 GiB)", source: peers },
  sparkCpu: { value: 13.8, unit: "CPU-seconds per million events of Spark 4.2", source: peers },
  sparkMemory: { value: 1_690, unit: "MiB of Spark's one JVM at its most (heap of 2 GiB)", source: peers },
  kafkaStreamsCpu: { value: 17.6, unit: "CPU-seconds per million events of Kafka Streams 4.1", source: peers },
  kafkaStreamsMemory: { value: 2_290, unit: "MiB of Kafka Streams at its most (heap of 2 GiB)", source: peers },
  insertCpu: { value: 2.7, unit: "CPU-microseconds of PostgreSQL per row inserted by JDBC", source: peers },
  zookeeperCpu: { value: 0.0012, unit: "CPUs of an idle ZooKeeper", source: oldStack },
  zookeeperMemory: { value: 70, unit: "MiB of an idle ZooKeeper, as Kafka 3.9 starts it", source: oldStack },
  pgAdminMemory: {
    value: 158,
    unit: "MiB of an idle pgAdmin 9.18; its processor time was below what can be seen",
    source: oldStack,
  },
  checkpointBytes: { value: 800, unit: "bytes per row of commit_history, kept for 7 days", source: storage },
} as const satisfies Readonly<Record<string, Figure>>;
