// `tidemark dead-letters`: records that can never be counted, with reason and position. Payloads were masked before they were stored.
import { countText } from "../shared/quantities.ts";
import { DEAD_REASON_WORDS, DEAD_REASONS } from "../shared/dead_reasons.ts";
import { appliedMigrations } from "../store/migrate.ts";
import { readDeadRanges } from "../http/api/stream/dead_letters_query.ts";
import { fileText } from "../http/api/stream/file_place.ts";
import { purgeSamples, readDeadCounts, readDeadLetter, readDeadLine } from "../operate/dead_letter_store.ts";
import { boolean, duration, integer, oneOf } from "../shared/config/kinds.ts";
import { EXIT, type ExitCode, UsageError } from "../shared/errors.ts";
import { jsonText, printable } from "../shared/printable.ts";
import { DAY } from "../shared/units.ts";
import { badArguments, type CommandContext, defineCommand, flag } from "./command.ts";
import { type Storage, streamMissing, withStorage, withStreamToLookAt } from "../app/storage.ts";

const TIMEOUT_MS = 30_000;
const USAGE = "list | show PARTITION OFFSET | show FILE LINE | purge";

const FLAGS = {
  // A placeholder, because the list of reasons is longer than a line of help.
  reason: flag({ ...oneOf(...DEAD_REASONS), placeholder: "<reason>" }, { doc: "Only this reason." }),
  partition: flag(integer(0, 2 ** 31 - 1), { doc: "Only this partition." }),
  limit: flag(integer(1, 10_000), { default: "20", doc: "With list: ranges shown." }),
  "older-than": flag(duration(0, 3650 * DAY), {
    default: "0s",
    doc: "With purge: only samples of at least this age.",
  }),
  json: flag(boolean, { doc: "One JSON object." }),
};
type DeadContext = CommandContext<typeof FLAGS>;

export const command = defineCommand({
  usage: USAGE,
  description:
    "list: exact counts by reason and partition, and the positions of the newest. show: the masked sample of one position. " +
    "purge: deletes samples; counts and ranges stay.",
  groups: ["storage", "process"],
  flags: FLAGS,
  async run(args, context) {
    const [action, ...rest] = args;
    const run = action === "show"
      ? show(rest)
      : action === "list" && rest.length === 0
      ? list
      : action === "purge" && rest.length === 0
      ? purge
      : undefined;
    if (run === undefined) {
      throw badArguments("dead-letters", `dead-letters needs one of: ${USAGE}`);
    }
    if (run !== purge) return await withStreamToLookAt(context, (storage) => run(storage, context));
    return await withStorage(context, async (storage) => {
      if (await appliedMigrations(storage.work) === null) throw streamMissing();
      return await run(storage, context);
    });
  },
});

async function list({ work }: Storage, { flags, out }: DeadContext): Promise<ExitCode> {
  const wanted = (entry: { reason: string; partition: number }) =>
    (flags.reason === undefined || entry.reason === flags.reason) &&
    (flags.partition === undefined || entry.partition === flags.partition);
  const counts = (await readDeadCounts(work)).filter(wanted);
  const ranges = await readDeadRanges(work, { ...flags, after: undefined }, TIMEOUT_MS);
  if (flags.json) {
    out(JSON.stringify({ counts, ranges: ranges.map((r) => ({ ...r, seen_at: iso(r.seen_at) })) }, null, 2));
    return EXIT.ok;
  }
  if (counts.length === 0) out("No dead letters.");
  for (const { reason, partition, records } of counts) {
    out(`${reason.padEnd(18)} partition ${String(partition).padEnd(4)} ${countText(records).padStart(12)}`);
  }
  const words: Readonly<Record<string, string>> = DEAD_REASON_WORDS;
  const named = [...new Set(counts.map(({ reason }) => reason))].filter((reason) => words[reason] !== undefined);
  if (named.length > 0) out("");
  for (const reason of named) out(`${reason}: ${words[reason]}.`);
  if (ranges.length > 0) {
    out(
      ranges.some(({ in_file }) => in_file !== null)
        ? "\nNewest, with the first of each commit"
        : "\nNewest ranges of offsets, both ends inclusive",
    );
  }
  for (const { reason, partition, first_offset, last_offset, records, seen_at, in_file } of ranges) {
    const among = records === last_offset - first_offset + 1 ? "" : `, ${countText(records)} of them`;
    const further = records === 1 ? "" : `, and ${countText(records - 1)} behind it`;
    const place = in_file === null
      ? `${partition}:${first_offset}–${last_offset}${among}`
      : `${fileText(in_file)}${further}`;
    out(`${iso(seen_at)}  ${reason.padEnd(18)} ${place}`);
  }
  return EXIT.ok;
}

function show(words: readonly string[]) {
  const [file = ""] = words, [partition, offset] = words.map(Number);
  const whole = (n: number | undefined) => n !== undefined && Number.isSafeInteger(n) && n >= 0;
  if (words.length !== 2 || file === "" || !whole(offset)) {
    throw new UsageError(
      ["show needs a partition and an offset, or a file and a line: dead-letters show 0 12345"],
      "`tidemark dead-letters list` names them.",
      "bad_arguments",
    );
  }
  return async ({ work }: Storage, { flags, out, data }: DeadContext): Promise<ExitCode> => {
    const letters = whole(partition)
      ? await readDeadLetter(work, partition!, offset!)
      : await readDeadLine(work, file, offset!);
    if (flags.json) {
      data(jsonText(letters.map((letter) => ({ ...letter, seen_at: iso(letter.seen_at) }))));
      return letters.length > 0 ? EXIT.ok : EXIT.findings;
    }
    const sampled = letters.some(({ payload }) => payload !== null);
    for (const { reason, seen_at, payload, payload_bytes, first_offset, last_offset, records } of letters) {
      if (payload !== null) {
        out(
          `${reason}, committed ${iso(seen_at)}, ${countText(payload_bytes ?? 0)} bytes, masked:\n${
            printable(payload)
          }`,
        );
      } else if (!sampled) {
        out(
          `${reason}: one of ${countText(records ?? 1)} from ${first_offset} to ${last_offset}, last committed ${
            iso(seen_at)
          }; no sample was kept`,
        );
      }
    }
    if (letters.length > 0) return EXIT.ok;
    out(
      whole(partition)
        ? `Nothing is stored about ${partition}:${offset}: it is not a dead letter, or is more than 30 days old.`
        : `No sample is stored of line ${offset} of ${
          printable(file)
        }: it is not a dead letter, is one of many, or is more than 30 days old.`,
    );
    return EXIT.findings;
  };
}

async function purge({ work }: Storage, { flags, clock, out }: DeadContext): Promise<ExitCode> {
  const purged = await purgeSamples(work, clock.now() - flags["older-than"], flags.reason);
  out(flags.json ? JSON.stringify({ purged }) : `${countText(purged)} samples deleted; counts and ranges stay.`);
  return EXIT.ok;
}

const iso = (ms: number) => new Date(ms).toISOString();
