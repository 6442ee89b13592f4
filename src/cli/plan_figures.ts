// Every measured figure behind `tidemark plan`, each with where it comes from. No I/O.

/** One measured constant. */
export interface Figure {
  readonly value: number;
  readonly unit: string;
  /** The command that measures it again, and what it was measured on. */
  readonly source: string;
}

const storage = "deno task bench:storage: PostgreSQL 15, 1.08 million demo events, 2.9 a row, 2 cores";
const speed = "docs/performance.md: catching up from a real broker, one process, 2 cores";

export const FIGURES = {
  serviceCpu: { value: 1.2, unit: "CPU-seconds per million events", source: speed },
  serviceMemory: {
    value: 310,
    unit: "MiB of one process at its most, catching up, with a city database (180 with the country database)",
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
  checkpointBytes: { value: 800, unit: "bytes per row of commit_history, kept for 7 days", source: storage },
} as const satisfies Readonly<Record<string, Figure>>;
