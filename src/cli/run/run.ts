// `tidemark run`, `dev` and `serve`: the service, the service with demo traffic on a bare machine, and its HTTP part alone.
import { runService } from "../../app/service.ts";
import { showProgress, tellEnd } from "./telling.ts";
import { withStandardInput } from "./standard_input.ts";
import { withDataFolder } from "../../app/storage.ts";
import { boolean, duration } from "../../shared/config/kinds.ts";
import { SETTING_GROUPS, type SettingGroup } from "../../shared/config/settings.ts";
import { UsageError } from "../../shared/errors.ts";
import { HOUR } from "../../shared/units.ts";
import { type CommandContext, defineCommand, flag } from "../command.ts";

const ALL_GROUPS = Object.keys(SETTING_GROUPS) as SettingGroup[];

export const run = defineCommand({
  usage: "",
  description:
    "Reads events, counts them by window, host, referrer and place, and commits them exactly once into PostgreSQL.",
  groups: ALL_GROUPS,
  flags: {
    once: flag(boolean, {
      doc:
        "Read to the end offsets of the start, close what can be closed, say what came of it, exit: for backfills and cron.",
    }),
    wait: flag(duration(0, HOUR), {
      default: "60s",
      doc: "With --once: how long an absent broker or database is awaited.",
    }),
    "no-http": flag(boolean, { doc: "Do not listen. --once never does." }),
  },
  run(_args, given) {
    const { flags, log } = given;
    return withDataFolder(given, async (lock) => {
      const context = await withStandardInput(given, flags.once);
      return await runService(context, {
        lock,
        engines: true,
        http: !flags.once && !flags["no-http"],
        once: flags.once,
        waitMs: flags.wait,
        onStart: (snapshots, signal) => void showProgress(context, snapshots, signal),
        onEnd: (snapshots, database) => tellEnd(context, snapshots, database),
        onListening: (url) => log.info("listening", { url }),
      });
    });
  },
});

export const dev = defineCommand({
  usage: "",
  description:
    "Weeks of plausible history, then live traffic. The demo lives in the folder `demo` of DATA_DIR, apart from a stream of your own and " +
    "from installed place files; delete it to begin anew.",
  groups: ALL_GROUPS,
  flags: {},
  run(_args, given) {
    const context = onDemo(given);
    return withDataFolder(context, (lock) =>
      runService(context, {
        lock,
        engines: true,
        http: true,
        once: false,
        waitMs: Infinity,
        geoFolder: given.settings.DATA_DIR,
        onListening: (url) => context.err(`\n  Tidemark  ${url}\n`),
      }));
  },
});

/** What the user has set wins; the default source is the demo instead of Kafka, in a folder of its own. */
function onDemo(context: CommandContext): CommandContext {
  const { settings, sources } = context;
  if (sources.SOURCE.from !== "default") return context;
  const folder = sources.DATA_DIR.from === "default" && { DATA_DIR: `${settings.DATA_DIR}/demo` };
  return { ...context, settings: { ...settings, SOURCE: "demo", ...folder } };
}

export const serve = defineCommand({
  usage: "",
  description: "Needs nothing but the database; any number may run.",
  groups: ["windows", "storage", "http", "process"],
  flags: {},
  run(_args, context) {
    if (context.settings.POSTGRES_URL === undefined) {
      throw new UsageError(
        ["POSTGRES_URL is needed: the embedded database belongs to the process that fills it"],
        "Point POSTGRES_URL at the server that `tidemark run` writes to.",
      );
    }
    return runService(context, {
      lock: null,
      engines: false,
      http: true,
      once: false,
      waitMs: Infinity,
      onListening: (url) => context.log.info("listening", { url }),
    });
  },
});
