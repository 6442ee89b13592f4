// `tidemark rules`: shows the rules by which the stream reads events, and switches them.
import {
  RULES_1,
  RULES_VERSION_NEWEST,
  RULES_VERSIONS,
  rulesJson,
  rulesOfVersion,
  wantedRules,
} from "../event/stream_rules.ts";
import { readRuleSpans, type RuleSpan, switchRules } from "../operate/rules_store.ts";
import { requireSameSettings } from "../operate/stream_settings.ts";
import { boolean, kindBy } from "../shared/config/kinds.ts";
import { EXIT, type ExitCode } from "../shared/errors.ts";
import { jsonText, printable } from "../shared/printable.ts";
import { isoOrNull } from "../shared/units.ts";
import { type Storage, streamMissing, withMigratedStorage, withStreamToLookAt } from "../app/storage.ts";
import { settingsAsStored } from "../app/stream_topic.ts";
import { logName } from "../app/wiring.ts";
import { badArguments, type CommandContext, defineCommand, flag, WAIT } from "./command.ts";

const TIMEOUT_MS = 5_000;

const version = kindBy<typeof RULES_VERSIONS[number]>("<n>", `one of ${RULES_VERSIONS.join(", ")}`, (text) => {
  const known = RULES_VERSIONS.find((one) => String(one) === text);
  return known === undefined ? undefined : { value: known };
});

const FLAGS = {
  switch: flag(boolean, { doc: "Switch the rules." }),
  to: flag(version, { doc: `With --switch: the version; default ${RULES_VERSION_NEWEST}.` }),
  "dry-run": flag(boolean, { doc: "With --switch: only print what would be done." }),
  wait: WAIT,
  json: flag(boolean, { doc: "One JSON object." }),
};
type RulesContext = CommandContext<typeof FLAGS>;

export const command = defineCommand({
  usage: "",
  description:
    "Shows the stored rules (docs/concepts.md, 'Rules of a stream') and the offset of each partition from which they apply. With --switch, " +
    "the newest version, with the values of EVENT_FIELDS and HOST_ADDRESSES in the settings, applies from the stored positions on. Earlier " +
    "counts stay unchanged. Running processes of this release use the new rules within seconds if their own settings agree; processes that " +
    "do not know the version end with a named error.",
  groups: ["source", "kafka", "file", "demo", "events", "windows", "storage", "process"],
  flags: FLAGS,
  async run(_args, context) {
    const { flags } = context;
    const toVersion = flags.to;
    if (!flags.switch && (toVersion !== undefined || flags["dry-run"])) {
      throw badArguments("rules", "--to and --dry-run need --switch");
    }
    if (flags.switch && !flags["dry-run"]) {
      return await withMigratedStorage(context, flags.wait, (storage) => rules(storage, context));
    }
    return await withStreamToLookAt(context, (storage) => rules(storage, context));
  },
});

async function rules(storage: Storage, context: RulesContext): Promise<ExitCode> {
  const { settings, out, flags } = context;
  const stored = await storedRules(storage);
  if (!flags.switch) {
    show(stored, await readRuleSpans(storage.work), context);
    return EXIT.ok;
  }
  await requireSameSettings(storage.work, await settingsAsStored(settings, storage.work));
  const wanted = rulesOfVersion(flags.to ?? RULES_VERSION_NEWEST, wantedRules(settings));
  out(printable(`now:  ${stored}`));
  out(printable(`then: ${rulesJson(wanted)}`));
  if (flags["dry-run"]) return EXIT.ok;
  const revision = await switchRules(storage.work, wanted);
  const spans = (await readRuleSpans(storage.work)).filter((span) => span.revision === revision);
  out("These rules apply from:");
  for (const span of spans) out(printable(`  ${logName(settings)}[${span.partition}] offset ${span.from}`));
  return EXIT.ok;
}

/** As text, so that rules of a newer release can be shown. @throws UsageError `stream_missing` */
async function storedRules({ work }: Storage): Promise<string> {
  const [row] = await work.query(
    (sql) => sql<{ rules: string | null }[]>`select to_jsonb(s) ->> 'rules' as rules from tm.stream s`,
    TIMEOUT_MS,
  );
  if (row === undefined) throw streamMissing();
  return row.rules ?? rulesJson(RULES_1);
}

function show(stored: string, spans: readonly RuleSpan[], { flags, out, data, settings }: RulesContext): void {
  const offered = rulesJson(wantedRules(settings));
  if (flags.json) {
    data(jsonText({
      rules: JSON.parse(stored),
      by_the_settings: JSON.parse(offered),
      spans: spans.map((span) => ({
        partition: span.partition,
        from_offset: span.from,
        rules: JSON.parse(span.rules),
        switched_at: isoOrNull(span.switchedAt),
      })),
    }));
    return;
  }
  out(printable(`stored:          ${stored}`));
  out(printable(`by the settings: ${offered}`));
  for (const { partition, from, rules, switchedAt } of spans) {
    out(printable(`${logName(settings)}[${partition}] from offset ${from}, since ${isoOrNull(switchedAt)}: ${rules}`));
  }
}
