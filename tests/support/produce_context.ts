// The context of `tidemark produce` in tests: settings, flags, and the printed lines.
import { withoutBundled } from "../../src/geo/install/bundled.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { silentLog } from "../../src/shared/log.ts";
import type { produceCommand } from "../../src/cli/produce/produce.ts";

export type ProduceContext = Parameters<typeof produceCommand>[1];

/** A context with every flag at a value that suits tests; `out` collects the lines. */
export function produceContext(
  brokers: readonly string[],
  topic: string,
  flags: Partial<ProduceContext["flags"]>,
  signal?: AbortSignal,
): { readonly out: string[]; readonly progress: string[]; readonly given: ProduceContext } {
  const out: string[] = [], progress: string[] = [];
  const settings = {
    KAFKA_URL: brokers,
    KAFKA_TOPIC: topic,
    KAFKA_TLS: false,
    KAFKA_SASL_MECHANISM: "none",
    INSTANCE_ID: "test",
    FILE_FORMAT: "auto",
    HOST_ADDRESSES: "fold",
    REFERRER_GRANULARITY: "raw",
    KEY_BYTES_MAX: 1024,
    TRUSTED_PROXY_HOPS: 0,
    WINDOW_SIZE: 300_000,
    WATERMARK_DELAY: 60_000,
  } as unknown as ProduceContext["settings"];
  const given: ProduceContext = {
    settings,
    sources: {} as ProduceContext["sources"],
    notices: [],
    flags: {
      rate: undefined,
      host: undefined,
      key: "none",
      demo: false,
      topic: undefined,
      "create-topic": true,
      partitions: 3,
      "from-line": 1,
      wait: 20_000 as never,
      ...flags,
    },
    data: () => {},
    out: (line) => out.push(line),
    drained: () => Promise.resolve(true),
    err: () => {},
    progress: (line) => progress.push(line),
    errIsTerminal: true,
    bundledPlaces: withoutBundled,
    isTerminal: false,
    columns: undefined,
    commands: {},
    colour: false,
    log: silentLog,
    clock: systemClock,
    signal: signal ?? new AbortController().signal,
  } as ProduceContext;
  return { out, progress, given };
}
