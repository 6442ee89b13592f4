// The loop that stores due messages and sends those that wait. A message is stored before it is sent, so after a crash it is sent again with
// the same id. Shell over the database and the given deliveries.
import type { Clock } from "../shared/clock.ts";
import { messageOf, type NamedError } from "../shared/errors.ts";
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
  type View,
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
/** The same where some could not be made. */
const MEND_MS = 60_000;

/** Saved views by name; null = the whole stream. */
export interface ReportedViews {
  readonly views: readonly (View | null)[];
  /** Names every view that cannot be used; null if all can. */
  readonly problem: NamedError | null;
}

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
  /** What reports are about, and why some views have no report. */
  readonly views: (now: EpochMs) => Promise<ReportedViews>;
  readonly report: (due: Pick<Due, "from" | "to" | "view">, now: EpochMs) => Promise<ReportFacts>;
  readonly deliver: (target: Target, message: Message) => Promise<SendResult>;
}

/** Runs until the signal aborts. */
export async function runNotify(options: NotifyOptions, signal: AbortSignal): Promise<void> {
  const { database, clock, steps, log } = options;
  const keys = options.targets.map(({ key }) => key);
  let looked: { readonly day: LocalDate | null; readonly problem: unknown; readonly at: number } | null = null;
  /** Why the last delivery failed, while a message waits for another one; else null. */
  let refused: unknown = null;
  while (!signal.aborted) {
    try {
      const now = clock.now();
      const through = await closedThrough(database);
      const day = through === null ? null : localDate(epochMs(through), options.tz);
      const again = looked?.problem === null ? LOOK_AGAIN_MS : MEND_MS;
      if (looked === null || looked.day !== day || now - looked.at > again) {
        looked = { day, problem: await makeDue(options, now, signal), at: clock.now() };
      }
      const failed = await sendWaiting(options, keys, signal);
      if (failed !== null) refused = failed;
      else if (refused !== null && !await anyWaits(database, keys)) refused = null;
      const problem = looked.problem ?? refused;
      if (problem === null) steps.succeeded("notify");
      else steps.failed("notify", problem);
    } catch (error) {
      steps.failed("notify", error);
      const { code, message } = steps.states().notify.problem!;
      log.warn("notify failed, trying again later", { code, error: message });
    }
    await clock.sleep(EVERY, signal);
  }
}

/** Stores every due message that does not exist yet. Returns why some were not made, or null. */
async function makeDue(options: NotifyOptions, now: EpochMs, signal: AbortSignal): Promise<unknown> {
  const { database, log, steps, schedule, alertAt, tz, link, targets } = options;
  await prune(database);
  const days = await options.days(now);
  const { views, problem } = await options.views(now);
  if (problem !== null && problem.message !== steps.states().notify.problem?.message) {
    log.warn("some reports are not made", { code: problem.code, error: problem.message });
  }
  let failed: unknown = problem;
  const due = dueMessages({
    schedule,
    views,
    alertAt,
    targets,
    today: localDate(now, tz),
    lastComplete: days.at(-1)?.day ?? null,
    days,
    known: await knownIds(database),
  });
  const facts = new Map<string, Promise<ReportFacts>>();
  const reportOf = (one: Due) => {
    const key = `${one.from} ${one.to} ${one.view?.key}`;
    let report = facts.get(key);
    if (report === undefined) facts.set(key, report = options.report(one, now));
    return report;
  };
  // A report that takes too long must not keep back the messages after it.
  for (const one of due) {
    if (signal.aborted) break;
    try {
      const message = one.kind === "report"
        ? reportMessage(one, await reportOf(one), { schedule, link })
        : alertMessage(one, days.find(({ day }) => day === one.to)!, { tz, link });
      await storeMessage(database, one, message);
    } catch (error) {
      failed ??= error;
      log.warn("message not made, trying again later", { id: one.id, error: messageOf(error) });
    }
  }
  return failed;
}

/** Sends the waiting messages one by one. A target that fails does not delay the others. Returns the last failure, or null. */
async function sendWaiting(options: NotifyOptions, keys: readonly string[], signal: AbortSignal): Promise<unknown> {
  const { database, targets, log } = options;
  let failed: unknown = null;
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
    failed = delivery.error;
    const againInMs = againIn(claimed, delivery.retryAfterMs);
    await markFailed(database, claimed.message.id, { error: delivery.error.message, againInMs });
    log.warn(againInMs === null ? "message given up" : "message not sent, trying again later", {
      id: claimed.message.id,
      target: target.label,
      error: delivery.error.message,
    });
  }
  return failed;
}

const againIn = ({ attempts, age_ms }: Claimed, retryAfterMs: number) =>
  age_ms > GIVE_UP_MS ? null : backoffMs(attempts, retryAfterMs);
