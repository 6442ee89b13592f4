// One history as data: logs, steps and faults, all drawn from a seed. A plan can be printed, shortened and played again. Pure.
import { Random } from "../simulation/random.ts";
import { DAY, HOUR } from "./calendar.ts";
import {
  ADDRESSES,
  BOT_CLIENT,
  CAMPAIGNS,
  CLIENTS,
  HOSTS,
  type LogRecord,
  type ModelEvent,
  PAGES,
  PLACES,
  REFERRERS,
  SAME_MD5,
} from "./event.ts";
import { COUNTS_ALL } from "./oracle_breakdown.ts";

const MINUTE = 60_000;

export interface Settings {
  readonly windowSize: number;
  readonly watermarkDelay: number;
  readonly latePolicy: "store" | "drop";
  /** When the history begins, epoch ms. */
  readonly start: number;
  /** What processes count beside the rows, by the order in which they start, over and over. */
  readonly counted: readonly number[];
  /** BREAKDOWN_VALUES_MAX of all processes. */
  readonly valuesMax: number;
}

/**
 * What goes wrong during a step, at the n-th statement that writes (counted over all connections): raise = the statement fails and the process
 * tries again; kill = its connection is ended by the server; crash = the statement fails and the process with it; reply = the statement works
 * and its answer is lost.
 */
export interface Fault {
  readonly how: "raise" | "kill" | "crash" | "reply";
  readonly statement: number;
}

export type Step =
  & { readonly process: number; readonly fault: Fault | null }
  & (
    | { readonly kind: "commit"; readonly partitions: readonly number[]; readonly records: number }
    | { readonly kind: "idle"; readonly partition: number }
    | { readonly kind: "close"; readonly windows: number }
    | { readonly kind: "roll_up"; readonly calls: number }
    | { readonly kind: "maintain"; readonly retentionDays: number | null }
    | { readonly kind: "restart" }
    | { readonly kind: "gap"; readonly partition: number; readonly records: number }
    | { readonly kind: "add_partition" }
    | { readonly kind: "publication" }
    | { readonly kind: "reader" }
    /** Two steps at once, by two processes. */
    | { readonly kind: "together"; readonly steps: readonly [Step, Step] }
  );

/** Steps after the clock has moved on. */
export interface Round {
  readonly now: number;
  readonly steps: readonly Step[];
}

export interface Plan {
  readonly seed: number;
  readonly settings: Settings;
  /** By partition; the ones beyond `partitions` may be added on the way. */
  readonly logs: readonly (readonly LogRecord[])[];
  readonly partitions: number;
  readonly rounds: readonly Round[];
  readonly spared: ReadonlySet<Hazard>;
}

/** What a history may hold, and be asked, beside the plain. before_stream: no number of that time passes. wide_windows: longer ones than the quarter of an hour by which zones differ. */
export type Hazard =
  | "collision"
  | "publication"
  | "long_reader"
  | "retention"
  | "wide_windows"
  | "channels"
  | "before_stream";

/** What the product does not do right yet: no history holds it. Empty = everything is held against the oracle. */
export const NOT_YET: ReadonlySet<Hazard> = new Set([]);

/** Days on which clocks change somewhere, a plain one, and the end of February. */
const STARTS = ["2026-10-23", "2026-03-27", "2026-04-03", "2026-10-02", "2026-10-30", "2026-01-14", "2028-02-27"];
const PROCESSES = 2;

/** Draws a history without what `spared` names. */
export function planOf(seed: number, spared: ReadonlySet<Hazard> = NOT_YET): Plan {
  const random = new Random(seed, 21);
  // Apart, so that histories whose seeds are noted somewhere stay as they are.
  const requests = new Random(seed, 23);
  const settings: Settings = {
    windowSize: random.pick(spared.has("wide_windows") ? [5, 5, 15] : [5, 5, 15, 60, 120]) * MINUTE,
    watermarkDelay: random.pick([1, 10]) * MINUTE,
    latePolicy: random.chance(0.85) ? "store" : "drop",
    start: Date.parse(`${random.pick(STARTS)}T00:00:00Z`) + random.int(0, 23) * HOUR,
    ...drawBreakdowns(requests),
  };
  const days = random.int(3, 7);
  const partitions = random.int(1, 3);
  const collisions = random.chance(0.5) && !spared.has("collision");
  const logs = Array.from(
    { length: partitions + 1 },
    () =>
      drawLog(random, settings.start, days, collisions).map(({ arrival, event }) => ({
        arrival,
        event: { ...event, ...drawRequest(requests, event.bot) },
      })),
  );
  return { seed, settings, logs, partitions, spared, rounds: drawRounds(random, settings, days, partitions, spared) };
}

/** Most histories count everything; in the others a setting is changed, or a release that counts no breakdowns takes part. */
function drawBreakdowns(random: Random): Pick<Settings, "counted" | "valuesMax"> {
  const some = () => random.pick([COUNTS_ALL, COUNTS_ALL, 0, 15, 1 | 16, 2 | 4 | 8]);
  return {
    counted: random.chance(0.7) ? [COUNTS_ALL] : Array.from({ length: 7 }, some),
    valuesMax: random.pick([2, 3, 1_000]),
  };
}

/** A record without its request. */
interface PlainRecord {
  readonly arrival: number;
  readonly event: Omit<ModelEvent, keyof Request>;
}
type Request = Pick<ModelEvent, "page" | "client" | "campaign" | "address">;

function drawRequest(random: Random, bot: boolean): Request {
  return {
    page: random.pick(PAGES),
    client: bot ? BOT_CLIENT : random.pick(CLIENTS),
    campaign: random.pick(CAMPAIGNS),
    address: random.pick(ADDRESSES),
  };
}

/** Bursts of records; most event times lie minutes behind their arrival, some days. */
function drawLog(random: Random, start: number, days: number, collisions: boolean): PlainRecord[] {
  const log: PlainRecord[] = [];
  const silent = random.chance(0.1) ? random.int(0, days - 1) : -1;
  const hosts = HOSTS.slice(0, random.int(1, HOSTS.length));
  // Of the two texts with one hash the second comes later, so that each order of their roll-ups occurs.
  const referrers = REFERRERS.filter((text) => !SAME_MD5.includes(text as never));
  const from = collisions ? random.int(0, days) : Infinity;
  for (let day = 0; day < days; day++) {
    if (day === silent) continue;
    const same = day >= from ? SAME_MD5 : [SAME_MD5[0]];
    for (let bursts = random.int(2, 5); bursts > 0; bursts--) {
      const hour = random.chance(0.5) ? random.pick([0, 4, 5, 13, 14, 18, 22, 23]) : random.int(0, 23);
      let arrival = start + day * DAY + hour * HOUR + random.int(0, 59) * MINUTE;
      for (let records = random.int(1, 7); records > 0; records--) {
        arrival += random.int(0, 8 * MINUTE);
        const behind = random.pick([0, 0, 30_000, 6 * MINUTE, random.chance(0.15) ? random.int(1, 40) * HOUR : 0]);
        log.push({
          arrival,
          event: {
            time: Math.max(start, arrival - behind),
            host: random.pick(hosts),
            referrer: random.pick(collisions && random.chance(0.3) ? same : referrers),
            place: random.pick(PLACES),
            bot: random.chance(0.25),
          },
        });
      }
    }
  }
  return log.sort((a, b) => a.arrival - b.arrival);
}

function drawRounds(
  random: Random,
  settings: Settings,
  days: number,
  partitions: number,
  spared: ReadonlySet<Hazard>,
): Round[] {
  const rounds: Round[] = [];
  let now = settings.start;
  const end = settings.start + (days + 1) * DAY;
  const retentionDays = random.chance(0.5) && !spared.has("retention") ? random.int(0, 4) : null;
  while (now < end) {
    now = Math.min(end, now + random.int(3, 26) * HOUR + random.int(0, 59) * MINUTE);
    const steps: Step[] = [];
    for (let n = random.int(2, 4); n > 0; n--) steps.push(drawStep(random, partitions, retentionDays, spared));
    rounds.push({ now, steps });
  }
  return rounds;
}

function drawStep(
  random: Random,
  partitions: number,
  retentionDays: number | null,
  spared: ReadonlySet<Hazard>,
): Step {
  const process = () => random.int(0, PROCESSES - 1);
  const partition = () => random.int(0, partitions);
  const fault = (most: number): Fault | null =>
    random.chance(0.35)
      ? { how: random.pick(["raise", "kill", "crash", "reply"]), statement: random.int(1, most) }
      : null;
  const plain = () => ({ process: process(), fault: null });
  const some = () => {
    const chosen = Array.from({ length: partitions + 1 }, (_, p) => p).filter(() => random.chance(0.75));
    return chosen.length > 0 ? chosen : [0];
  };
  const commit = (): Step => ({
    kind: "commit",
    process: process(),
    partitions: some(),
    records: random.pick([3, 40, 1_000, 1_000]),
    fault: fault(7),
  });
  const close = (): Step => ({ kind: "close", ...plain(), windows: random.pick([1, 5, 1_000]), fault: fault(8) });
  const rollUp = (): Step => ({ kind: "roll_up", ...plain(), calls: random.pick([1, 5, 1_000]), fault: fault(8) });
  const maintain = (): Step => ({ kind: "maintain", ...plain(), retentionDays, fault: fault(14) });
  const draws: [number, () => Step][] = [
    [8, commit],
    [5, close],
    [4, rollUp],
    [3, maintain],
    [1, () => ({ kind: "restart", ...plain() })],
    [1, () => ({ kind: "idle", ...plain(), partition: partition(), fault: fault(4) })],
    [0.4, () => ({ kind: "gap", ...plain(), partition: partition(), records: random.int(1, 6), fault: fault(5) })],
    [0.3, () => ({ kind: "add_partition", ...plain(), fault: fault(3) })],
    [spared.has("publication") ? 0 : 0.3, () => ({ kind: "publication", ...plain() })],
    [spared.has("long_reader") ? 0 : 1, () => ({ kind: "reader", ...plain() })],
    [2, () => ({
      kind: "together",
      ...plain(),
      steps: random.pick([
        () => [commit(), commit()],
        () => [commit(), close()],
        () => [close(), close()],
        () => [close(), rollUp()],
        () => [rollUp(), rollUp()],
        () => [rollUp(), maintain()],
        () => [maintain(), maintain()],
        () => [close(), maintain()],
      ] as (() => [Step, Step])[])().map((step, i) => ({ ...step, process: i, fault: null })) as unknown as [
        Step,
        Step,
      ],
    })],
  ];
  let mark = random.real() * draws.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, draw] of draws) if ((mark -= weight) <= 0) return draw();
  return commit();
}

/** A plan in words, one line a step. */
export function describe({ seed, settings, logs, partitions, rounds }: Plan): string {
  return [
    `seed ${seed}: ${partitions} partitions, logs of ${logs.map((log) => log.length).join(", ")} records`,
    `  ${JSON.stringify({ ...settings, start: new Date(settings.start).toISOString() })}`,
    ...rounds.flatMap(({ now, steps }) => [
      `  ${new Date(now).toISOString()}`,
      ...steps.map((step) => `    ${JSON.stringify(step)}`),
    ]),
  ].join("\n");
}
