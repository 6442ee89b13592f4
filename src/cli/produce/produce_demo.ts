// Sends live demo traffic to a topic: the generator's records, with broken ones, each at its time. Shell over its sender.
import { Buffer } from "node:buffer";
import type { Clock } from "../../shared/clock.ts";
import { durationMs, offset } from "../../shared/units.ts";
import { DemoGenerator } from "../../source/demo/generator.ts";
import { demoAnchor } from "../../source/demo/timeline.ts";
import { type OutMessage, SENT_BYTES_MAX } from "./produce_message.ts";
import { noCounts, type ProduceCounts } from "./progress.ts";

/** Default mean rate in records per second: visible on a dashboard, and little load for a laptop. */
const RATE_DEFAULT = 20;
const EVERY_MS = durationMs(250);

interface DemoOptions {
  /** Mean records per second; the rate varies by hour and weekday. */
  readonly rate: number | undefined;
  readonly send: (messages: readonly OutMessage[]) => Promise<void>;
  readonly onProgress: (counts: ProduceCounts) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Sends from now on until the signal aborts. Rejects with what `send` rejects with. */
export async function produceDemo(options: DemoOptions): Promise<ProduceCounts> {
  const { clock, signal } = options;
  const generator = new DemoGenerator({
    seed: 1,
    shard: 0,
    shards: 1,
    anchor: demoAnchor(clock.now(), 0),
    rate: options.rate ?? RATE_DEFAULT,
  });
  const counts = noCounts(null);
  for (let next = generator.timeline.countAt(clock.now()); !signal.aborted;) {
    const end = generator.timeline.countAt(clock.now());
    const messages: OutMessage[] = [];
    generator.run(offset(next), offset(end)).walk(offset(next), (bytes, from, to) => {
      // Copied, because the walker uses its buffer again for each record. Records that a broker would refuse are left out.
      if (to - from <= SENT_BYTES_MAX) messages.push({ key: null, value: Buffer.from(bytes.slice(from, to)) });
      else counts.unsent.too_large++;
    });
    next = end;
    if (messages.length > 0) await options.send(messages);
    counts.sent += messages.length;
    counts.bytes += messages.reduce((sum, { value }) => sum + value.length, 0);
    options.onProgress(counts);
    await clock.sleep(EVERY_MS, signal);
  }
  return counts;
}
