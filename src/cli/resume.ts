// `tidemark resume`: resumes a stopped stream after an operator has seen the consequences.
import { appliedMigrations } from "../store/migrate.ts";
import type { StoredState } from "../store/port.ts";
import { createPlaceLocator } from "../geo/place_locator.ts";
import { firstEventTime } from "../operate/first_event.ts";
import type { LogReader } from "../operate/log_reader.ts";
import { isRecreated, planResume, resumePosition, type ResumeStep } from "../operate/resume_plan.ts";
import { applyResume } from "../operate/resume_store.ts";
import { requireSameSettings } from "../operate/stream_settings.ts";
import { boolean } from "../shared/config/kinds.ts";
import { EXIT, type ExitCode, NamedError, UsageError } from "../shared/errors.ts";
import { printable } from "../shared/printable.ts";
import { type EpochMs, isoOrNull, type PartitionId } from "../shared/units.ts";
import type { LogIdentity } from "../source/port.ts";
import { type CommandContext, defineCommand, flag, WAIT } from "./command.ts";
import { openLogReader } from "../app/replay_reader.ts";
import { type Storage, withMigratedStorage, withStorageToLookAt } from "../app/storage.ts";
import { settingsAsStored } from "../app/stream_topic.ts";
import { eventReader, logName, logProblem, openStore, rulesInForce } from "../app/wiring.ts";

/** Rows may move between the plan and its execution, until all instances have noticed the stop, which takes seconds. */
const TRIES = 3;

const FLAGS = {
  "accept-gap": flag(boolean, { doc: "Go on although records are missing." }),
  yes: flag(boolean, { doc: "Do not ask for confirmation. Required without a terminal." }),
  "dry-run": flag(boolean, { doc: "Only print what would be done." }),
  wait: WAIT,
};
type ResumeContext = CommandContext<typeof FLAGS>;

export const command = defineCommand({
  usage: "",
  description:
    "Without --accept-gap it only clears the stop, and only if the log holds every stored position again. With it, missing records are " +
    "stored as a gap, which reports show as unknown; positions move to where the log goes on; and partitions that no longer exist stop " +
    "holding windows open. Running instances go on by themselves within seconds.",
  groups: ["source", "kafka", "file", "demo", "events", "windows", "storage", "process"],
  flags: FLAGS,
  async run(_args, context) {
    if (context.flags["dry-run"]) {
      return await withStorageToLookAt(context, async (storage) => {
        const applied = storage === null ? null : await appliedMigrations(storage.work);
        if (storage === null || applied === null) {
          context.out(NOT_STARTED);
          return EXIT.ok;
        }
        return await resume(storage, context);
      });
    }
    return await withMigratedStorage(context, context.flags.wait, (storage) => resume(storage, context));
  },
});

const NOT_STARTED = "No stream was started in this schema yet.";

async function resume(storage: Storage, context: ResumeContext): Promise<ExitCode> {
  const { settings, out, flags } = context;
  const store = openStore(storage, settings);
  for (let attempt = 1;; attempt++) {
    const stored = await store.read();
    if (stored === null || stored.stopped === null) {
      out(stored === null ? NOT_STARTED : "Nothing is stopped.");
      return EXIT.ok;
    }
    // With the settings of another stream, the whole log would look recreated.
    await requireSameSettings(storage.work, await settingsAsStored(settings, storage.work));
    out(printable(`Stopped by ${stored.stopped.code}: ${stored.stopped.message}`));
    const { steps, log } = await look(storage, stored, context);
    const problem = logProblem(settings, stored, log);
    if (problem === null) out("The log holds every stored position: nothing is lost.");
    else if (!flags["accept-gap"]) throw problem;
    else for (const step of steps) if (step.kind !== "keep") out(printable(describeStep(step, logName(settings))));
    if (flags["dry-run"]) return EXIT.ok;
    if (problem !== null) askWhether(context);
    const outcome = await applyResume(storage.work, stored.stopped.code, log.topicId, steps);
    switch (outcome.kind) {
      case "resumed":
        out(
          outcome.gaps === 0 ? "Resumed." : `Resumed; ${outcome.gaps} gap${outcome.gaps === 1 ? "" : "s"} stored.`,
        );
        return EXIT.ok;
      case "not_stopped":
        out("The stream was resumed by another command meanwhile.");
        return EXIT.ok;
      case "moved":
        if (attempt === TRIES) {
          throw new NamedError(
            "positions_moved",
            `Nothing was changed: ${outcome.reason}.`,
            EXIT.busy,
            "Run it again in a few seconds.",
          );
        }
        out(printable(`${outcome.reason}; reading the rows again.`));
    }
  }
}

/** The plan by the current state of the log. */
async function look(storage: Storage, stored: StoredState, context: ResumeContext) {
  const { settings, clock } = context;
  const reader = await openLogReader(context, storage.work, {
    anchor: stored.anchor,
    stream: rulesInForce(settings, stored),
  });
  try {
    const log = await reader.identify();
    const firstEventTimes = settings.SOURCE === "kafka"
      ? await timesBehindGaps(reader, stored, log, context)
      : new Map();
    const steps = planResume({
      stored,
      log,
      windowSize: settings.WINDOW_SIZE,
      watermarkDelay: settings.WATERMARK_DELAY,
      now: clock.now(),
      firstEventTimes,
    });
    return { steps, log };
  } finally {
    await reader.close();
  }
}

/** Event times at the positions to which partitions would move; none for a partition that cannot be read. */
async function timesBehindGaps(reader: LogReader, stored: StoredState, log: LogIdentity, context: ResumeContext) {
  const events = eventReader(context.settings, rulesInForce(context.settings, stored), createPlaceLocator());
  const recreated = isRecreated(stored, log);
  const times = new Map<PartitionId, EpochMs>();
  for (const row of stored.rows) {
    const bounds = log.partitions.find(({ partition }) => partition === row.partition);
    if (bounds === undefined) continue;
    const position = resumePosition(row, bounds, recreated);
    if ((position === row.nextOffset && !recreated) || position >= bounds.logEnd) continue;
    try {
      const time = await firstEventTime(reader, events, row.partition, position);
      if (time !== undefined) times.set(row.partition, time);
    } catch (error) {
      // The gap then reaches up to now: it may be too wide, but not too narrow.
      if (!(error instanceof NamedError)) throw error;
      context.log.debug("no first event behind the gap", { partition: row.partition, error: error.message });
    }
  }
  return times;
}

function askWhether({ flags, isTerminal }: ResumeContext): void {
  if (flags.yes) return;
  if (!isTerminal || !Deno.stdin.isTerminal()) {
    throw new UsageError(
      ["Cannot ask for confirmation without a terminal, and this cannot be undone."],
      "Add --yes.",
      "not_confirmed",
    );
  }
  if (!confirm("Go on?")) {
    throw new UsageError(["Nothing was changed."], "Run it again to resume the stream.", "not_confirmed");
  }
}

function describeStep({ partition, kind, row, nextOffset, gap }: ResumeStep, topic: string): string {
  const name = `${topic}[${partition}]`;
  const unknown = gap === null
    ? ""
    : ` Reports show ${isoOrNull(gap.fromTime) ?? "everything"} to ${isoOrNull(gap.toTime)} as unknown.`;
  switch (kind) {
    case "keep":
      return `${name}: goes on at ${nextOffset}.`;
    case "skip":
      return `${name}: ${nextOffset - row.nextOffset} offsets (${row.nextOffset} to ${
        nextOffset - 1
      }) are lost; goes on at ${nextOffset}.${unknown}`;
    case "rewind":
      return `${name}: the log ends at ${nextOffset}, ${
        row.nextOffset - nextOffset
      } offsets before the position; goes on there.${unknown}`;
    case "restart":
      return `${name}: is another log of the same name; goes on at its start ${nextOffset}; unread records of the old one are lost.${unknown}`;
    case "retire":
      return `${name}: no longer exists; it stops holding windows open.${unknown}`;
    case "revive":
      return `${name}: exists again; goes on at ${nextOffset}.${unknown}`;
  }
}
