// `tidemark replay`: counts closed windows again from the log and shows the differences from the published rows. Changes nothing.
import { breakdownsOf } from "../breakdown/dimensions.ts";
import { countText } from "../shared/quantities.ts";
import { RULES_1, rulesJson } from "../event/stream_rules.ts";
import { geoOptions, openGeoFiles } from "../geo/geo_files.ts";
import { anchorBound, planReplay } from "../operate/replay_plan.ts";
import { readReplayState, type ReplayState } from "../operate/replay_store.ts";
import { replay, type Replayed } from "../operate/replay.ts";
import { comparePairs, type PairDifference } from "../operate/replay_breakdowns.ts";
import { readRuleSpans } from "../operate/rules_store.ts";
import { requireSameSettings } from "../operate/stream_settings.ts";
import { compareTables, type RowDifference, type Tables } from "../operate/replay_tables.ts";
import { boolean, integer, type Kind, kindBy } from "../shared/config/kinds.ts";
import { EXIT, type ExitCode, NamedError, UsageError } from "../shared/errors.ts";
import { jsonText, printable } from "../shared/printable.ts";
import { type EpochMs, epochMs, isoOrNull } from "../shared/units.ts";
import { windowStart } from "../window/tumbling.ts";
import { badArguments, type CommandContext, defineCommand, flag } from "./command.ts";
import { openLogReader } from "../app/replay_reader.ts";
import { type Storage, streamMissing, withStreamToLookAt } from "../app/storage.ts";
import { settingsAsStored } from "../app/stream_topic.ts";
import { countingRules, eventReader, rulesInForce } from "../app/wiring.ts";

const instant: Kind<EpochMs> = kindBy<EpochMs>("<time>", "a time with its zone, such as 2026-01-31T00:00Z", (text) => {
  const time = Date.parse(text);
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) && Number.isFinite(time)
    ? { value: epochMs(time) }
    : undefined;
});

export const command = defineCommand({
  usage: "",
  description:
    "Reads each partition from a position before all events of the range to the stream's position. Uses the stored idle advances to decide " +
    "what was late, and the rules that applied at each position. Compares the table and the late records window by window and key by key. " +
    "It joins no group and writes nothing. Exit code 6 if something differs, or if the log no longer holds the range. Places may differ if " +
    "the place database has changed since, browsers and systems if the release has. Breakdowns are compared where they were counted; " +
    "visitors are not. MAX_FUTURE_SKEW, WATERMARK_DELAY, LATE_POLICY and TRUSTED_PROXY_HOPS must have their values of then.",
  groups: ["source", "kafka", "file", "demo", "events", "windows", "storage", "geo", "process"],
  flags: {
    from: flag(instant, { doc: "Start of the first window." }),
    to: flag(instant, { doc: "End of the last window, exclusive; all must be closed." }),
    "dry-run": flag(boolean, { doc: "No effect: a replay changes nothing.", hidden: true }),
    limit: flag(integer(0, 1_000_000), { default: "20", doc: "Differences shown; all are counted." }),
    json: flag(boolean, { doc: "One JSON object." }),
  },
  async run(_args, context) {
    const { settings, flags } = context;
    const { from, to } = flags;
    if (from === undefined || to === undefined) {
      throw badArguments("replay", "--from and --to are required");
    }
    const size = settings.WINDOW_SIZE;
    const problems = ([["--from", from], ["--to", to]] as const).filter(([, time]) => time % size !== 0).map((
      [name, time],
    ) => `${name} must be the start of a window, such as ${isoOrNull(windowStart(time, size))}`);
    if (to <= from) problems.push("--to must be after --from");
    if (problems.length > 0) throw badArguments("replay", ...problems);
    return await withStreamToLookAt(
      context,
      (storage) => compare(storage, context, { from, to, limit: flags.limit, json: flags.json }),
    );
  },
});

type ReplayContext = Omit<CommandContext, "flags">;
interface Range {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly limit: number;
  readonly json: boolean;
}

async function compare(storage: Storage, context: ReplayContext, range: Range): Promise<ExitCode> {
  const { settings, clock, out, data, progress, signal } = context;
  const { from, to } = range;
  const rules = countingRules(settings);
  const bound = anchorBound(from, rules);
  const state = await readState(storage, context, range, bound);
  const spans = await readRuleSpans(storage.work), newest = spans.at(-1);
  const stream = rulesInForce(settings, { rules: newest?.rules ?? rulesJson(RULES_1) });
  const reader = await openLogReader(context, storage.work, { anchor: state.anchor, stream });
  const geo = await openGeoFiles(geoOptions(context));
  try {
    const tasks = planReplay(state.partitions, await reader.identify(), state.topicId, bound);
    const replayed = await replay(tasks, {
      log: reader,
      events: eventReader(settings, stream, geo.locator, breakdownsOf(["pages", "clients", "campaigns"])),
      places: geo.locator,
      rules,
      spans,
      from,
      to,
      now: clock.now(),
      signal,
      onProgress: (partition, done, total) => progress(`partition ${partition}: ${Math.floor(100 * done / total)} %`),
    });
    progress("");
    if (signal.aborted) {
      throw new UsageError(["Stopped before the end: nothing was compared."], "Run it again.", "interrupted");
    }
    const differences = compareTables(state.published, replayed, state.folded);
    const pairs = comparePairs(state.breakdowns, replayed.pairs);
    if (range.json) data(jsonText(summary(state, replayed, differences, pairs, range)));
    else {
      for (const line of text(state, replayed, differences, range)) out(line);
      for (const line of pairText(state, pairs, range)) out(line);
    }
    return differences.length === 0 && pairs.length === 0 ? EXIT.ok : EXIT.findings;
  } finally {
    geo.close();
    await reader.close();
  }
}

/** The published rows. Refuses ranges and settings that cannot be compared. */
async function readState(
  storage: Storage,
  context: ReplayContext,
  { from, to }: Range,
  bound: EpochMs,
): Promise<ReplayState> {
  const { settings } = context;
  const state = await readReplayState(storage.work, { from, to, bound });
  if (state === null) throw streamMissing();
  // With other settings everything would differ.
  await requireSameSettings(storage.work, await settingsAsStored(settings, storage.work));
  if (to > state.closedThrough) {
    throw new UsageError(
      [`Windows are closed up to ${isoOrNull(state.closedThrough) ?? "nowhere yet"}; --to is ${isoOrNull(to)}.`],
      "Give a range of closed windows only.",
      "range_open",
    );
  }
  if (from < state.retiredThrough) {
    throw new NamedError(
      "range_retired",
      `Retention has dropped windows before ${isoOrNull(state.retiredThrough)}.`,
      EXIT.findings,
      "Give a later range.",
    );
  }
  return state;
}

/** Words for what differs. `part`: the kind of difference that leaves the hits as they are; `cause`: what makes it. */
const ROWS = { identical: "Identical.", things: "rows", part: "place", cause: "the place database has" } as const;
const VALUES = {
  identical: "Breakdowns are identical.",
  things: "values",
  part: "client",
  cause: "the patterns of user agents have",
} as const;

function* text(
  state: ReplayState,
  replayed: Replayed,
  differences: readonly RowDifference[],
  { from, to, limit }: Range,
) {
  const sum = (rows: Tables["counted"]) => [...rows.values()].reduce((total, { hits }) => total + hits, 0);
  yield `${isoOrNull(from)} to ${isoOrNull(to)}: ${countText(replayed.records)} records read`;
  yield `published  ${countText(sum(state.published.counted))} hits in ${
    countText(state.published.counted.size)
  } rows, ${countText(sum(state.published.late))} late`;
  yield `replayed   ${countText(sum(replayed.counted))} hits in ${countText(replayed.counted.size)} rows, ${
    countText(sum(replayed.late))
  } late`;
  if (state.folded.size > 0) {
    yield `${countText(state.folded.size)} windows have a folded (other) row; only their sums were compared.`;
  }
  yield* differenceText(differences, limit, ROWS, ({ table, kind, host, referrer, countryCode, region, city }) => {
    const place = [countryCode, region, city].filter((part) => part !== "").join("/");
    return `${table} ${kind}: ${printable(host)} ${printable(referrer) || "(direct)"} ${printable(place)}`;
  });
}

function* pairText(
  { breakdowns: { pairs, folded } }: ReplayState,
  differences: readonly PairDifference[],
  { limit }: Range,
) {
  if (pairs.size === 0 && differences.length === 0) return;
  yield `breakdowns ${countText(pairs.size)} values published`;
  if (folded.size > 0) yield `${countText(folded.size)} breakdowns hold folded values; only their sums were compared.`;
  yield* differenceText(
    differences,
    limit,
    VALUES,
    ({ table, kind, dimension, host, value }) =>
      `${table} ${dimension} ${kind}: ${printable(host)} ${printable(value.replaceAll("\x1e", " / "))}`,
  );
}

function* differenceText<D extends RowDifference | PairDifference>(
  differences: readonly D[],
  limit: number,
  { identical, things, part, cause }: typeof ROWS | typeof VALUES,
  name: (difference: D) => string,
) {
  const total = differences.length, parts = differences.filter(({ kind }) => kind === part).length;
  if (total === 0) yield identical;
  if (parts > 0) yield `${countText(parts)} ${things} differ only in their ${part}: ${cause} changed since.`;
  if (parts < total) yield `${countText(total - parts)} ${things} differ in their hits.`;
  for (const difference of differences.slice(0, limit)) {
    const { window, published, replayed } = difference;
    yield `${isoOrNull(epochMs(window))} ${name(difference)}: published ${countText(published.hits)} (${
      countText(published.bots)
    } by bots), replayed ${countText(replayed.hits)} (${countText(replayed.bots)})`;
  }
  if (total > limit) yield `… and ${countText(total - limit)} more (--limit)`;
}

function summary(
  state: ReplayState,
  replayed: Replayed,
  differences: readonly RowDifference[],
  pairs: readonly PairDifference[],
  { from, to, limit }: Range,
) {
  return {
    from: isoOrNull(from),
    to: isoOrNull(to),
    records: replayed.records,
    rows: { published: state.published.counted.size, replayed: replayed.counted.size },
    folded_windows: state.folded.size,
    ...differenceSummary(differences, ROWS, limit),
    breakdowns: differenceSummary(pairs, VALUES, limit),
  };
}

function differenceSummary(
  differences: readonly (RowDifference | PairDifference)[],
  { part }: typeof ROWS | typeof VALUES,
  limit: number,
) {
  return {
    identical: differences.length === 0,
    differences: differences.length,
    [`differences_in_${part}_alone`]: differences.filter(({ kind }) => kind === part).length,
    shown: differences.slice(0, limit).map(({ window, ...rest }) => ({
      window_start: isoOrNull(epochMs(window)),
      ...rest,
    })),
  };
}
