// Turns bursts of a plan into records of a model log. Pure.
import { type ModelPartition, recordTime } from "./model_log.ts";
import type { Burst, Settings } from "./plan.ts";
import { Random } from "./random.ts";
import { CAMPAIGNS, CLIENTS, PAGES, PLACES, VISITORS, writeEvent } from "./tiny_reader.ts";

/** Appends the records of `burst` at true time `now`. A transaction stays open; the caller ends it. */
export function writeBurst(partition: ModelPartition, burst: Burst, settings: Settings, now: number): void {
  const random = new Random(burst.seed), others = new Random(burst.seed, 1);
  const transaction = burst.transaction === "none" ? null : burst.seed;
  for (let i = 0; i < burst.count; i++) {
    const made = now + burst.producerAhead;
    const time = recordTime(settings.recordTime, made, now);
    const value = random.chance(0.03) ? null : writeEvent({
      code: random.chance(0.04) ? random.int(1, 6) : 0,
      time: eventTime(random, burst, made),
      host: random.skewed(0, 5),
      referrer: random.skewed(0, 8),
      place: random.int(0, PLACES.length - 1),
      bot: random.chance(0.2) ? 1 : 0,
      page: others.skewed(0, PAGES - 1),
      client: others.int(0, CLIENTS - 1),
      campaign: others.skewed(0, CAMPAIGNS - 1),
      visitor: others.int(0, VISITORS - 1),
    });
    partition.append({ value, control: false, recordTime: time, transaction });
  }
}

/** Mostly in order; sometimes late, on a window's edge, or in the future. */
function eventTime(random: Random, burst: Burst, made: number): number {
  const time = made - random.skewed(0, burst.disorder);
  if (random.chance(0.02)) return made + random.int(1_000, 40_000);
  if (random.chance(0.03)) return made - random.int(20_000, 90_000);
  if (random.chance(0.06)) return time - time % 20_000 + random.pick([-1, 0, 1]);
  return time;
}
