// The loop that stores due messages and sends those that wait. A message is stored before it is sent, so after a crash it is sent again with
// the same id. Shell over the database and the given deliveries.
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import type { ReadDatabase } from "../shared/sql.ts";
import type { StepBoard, UpkeepStep } from "../shared/steps.ts";
import { durationMs, type EpochMs, epochMs } from "../shared/units.ts";
import { type LocalDate, localDate } from "../report/time_zone.ts";
import type { SendResult } from "./deliver.ts";
import {
  backoffMs,
  type DayBesideForecast,
  type Due,
  dueMessages,
  GIVE_UP_MS,
  type Schedule,
  type Target,
} from "./due.ts";
import { alertMessage, type Message, type ReportFacts, reportMessage } from "./message.ts";
import {
  anyWaits,
  claim,
  type Claimed,
  closedThrough,
  knownIds,
  markFailed,
  markSent,
  prune,
  storeMessage,
} from "./notify_store.ts";

const EVERY = durationMs(5_000);
/** Due messages are searched again after this time even without a new day: another process may have failed to store one. */
const LOOK_AGAIN_MS = 600_000;

interface NotifyOptions {
  readonly database: ReadDatabase;
  readonly clock: Clock;
  readonly log: Log;
  readonly steps: StepBoard<UpkeepStep>;
  readonly schedule: Schedule;
  readonly alertAt: number | null;
  readonly tz: string;
  readonly link: string | undefined;
  readonly targets: readonly Target[];
  /** The last complete days, with the forecasts of the newest of them. */
  readonly days: (now: EpochMs) => Promise<readonly DayBesideForecast[]>;
  readonly report: (period: { readonly from: LocalDate; readonly to: LocalDate }, now: EpochMs) => Promise<ReportFacts>;
  readonly deliver: (target: Target, message: Message) => Promise<SendResult>;
}

/** Runs until the signal aborts. */
export async function runNotify(options: NotifyOptions, signal: AbortSignal): Promise<void> {
  const { clock, steps, log } = options;
  let looked: { readonly day: LocalDate | null; readonly at: number } | null = null;
  while (!signal.aborted) {
    try {
      const now = clock.now();
      const through = await closedThrough(options.database);
      const day = through === null ? null : localDate(epochMs(through), options.tz);
      if (looked === null || looked.day !== day || now - looked.at > LOOK_AGAIN_MS) {
        await makeDue(options, now);
        looked = { day, at: now };
      }
      await sendWaiting(options, signal);
    } catch (error) {
      steps.failed("notify", error);
      const { code, message } = steps.states().notify.problem!;
      log.warn("notify failed, trying again later", { code, error: message });
    }
    await clock.sleep(EVERY, signal);
  }
}

/** Stores every due message that does not exist yet. */
async function makeDue(options: NotifyOptions, now: EpochMs): Promise<void> {
  const { database, schedule, alertAt, tz, link, targets } = options;
  await prune(database);
  const days = await options.days(now);
  const due = dueMessages({
    schedule,
    alertAt,
    targets,
    today: localDate(now, tz),
    lastComplete: days.at(-1)?.day ?? null,
    days,
    known: await knownIds(database),
  });
  const facts = new Map<string, Promise<ReportFacts>>();
  const reportOf = ({ from, to }: Due) => {
    const key = `${from} ${to}`;
    let report = facts.get(key);
    if (report === undefined) facts.set(key, report = options.report({ from, to }, now));
    return report;
  };
  for (const one of due) {
    const message = one.kind === "report"
      ? reportMessage(one, await reportOf(one), { schedule, link })
      : alertMessage(one, days.find(({ day }) => day === one.to)!, { tz, link });
    await storeMessage(database, one, message);
  }
}

/** Sends the waiting messages one by one. A target that fails does not delay the others. */
async function sendWaiting(options: NotifyOptions, signal: AbortSignal): Promise<void> {
  const { database, targets, steps, log } = options;
  const keys = targets.map(({ key }) => key);
  let trouble: unknown = null;
  while (!signal.aborted) {
    const claimed = await claim(database, keys);
    if (claimed === null) break;
    const target = targets.find(({ key }) => key === claimed.target_key)!;
    const delivery = await options.deliver(target, claimed.message);
    if (delivery.ok) {
      await markSent(database, claimed.message.id);
      log.info("message sent", { id: claimed.message.id, target: target.label });
      continue;
    }
    trouble = delivery.error;
    const againInMs = againIn(claimed, delivery.retryAfterMs);
    await markFailed(database, claimed.message.id, { error: delivery.error.message, againInMs });
    log.warn(againInMs === null ? "message given up" : "message not sent, trying again later", {
      id: claimed.message.id,
      target: target.label,
      error: delivery.error.message,
    });
  }
  if (trouble !== null) steps.failed("notify", trouble);
  else if (steps.states().notify.state !== "failing" || !await anyWaits(database, keys)) steps.succeeded("notify");
}

const againIn = ({ attempts, age_ms }: Claimed, retryAfterMs: number) =>
  age_ms > GIVE_UP_MS ? null : backoffMs(attempts, retryAfterMs);
