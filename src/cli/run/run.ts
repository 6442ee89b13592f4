// `tidemark run`, `dev` and `serve`: the service, the service with demo traffic and an embedded database, and only its HTTP part.
import { runService } from "../../app/service.ts";
import { showProgress, tellEnd } from "./telling.ts";
import { withStandardInput } from "./standard_input.ts";
import { withDataFolder } from "../../app/storage.ts";
import { boolean, duration } from "../../shared/config/kinds.ts";
import { SETTING_GROUP_NAMES } from "../../shared/config/settings.ts";
import { UsageError } from "../../shared/errors.ts";
import { HOUR } from "../../shared/units.ts";
import { type CommandContext, defineCommand, flag } from "../command.ts";

export const run = defineCommand({
  usage: "",
  description:
    "Reads events, counts them by window, host, referrer and place, and commits them exactly once into PostgreSQL.",
  groups: SETTING_GROUP_NAMES,
  flags: {
    once: flag(boolean, {
      doc: "Read to the end offsets of the start, close the windows, print a summary, exit: for backfills and cron.",
    }),
    wait: flag(duration(0, HOUR), {
      default: "60s",
      doc: "With --once: how long to wait for an absent broker or database.",
    }),
    "no-http": flag(boolean, { doc: "Do not listen on a port. --once never does." }),
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
    "Generates weeks of history, then live traffic. The demo is stored in the folder `demo` of DATA_DIR, apart from your own stream and from " +
    "installed place files. Delete that folder to start again.",
  groups: SETTING_GROUP_NAMES,
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

/** Unless the user has set them: the demo as source, in a folder of its own. */
function onDemo(context: CommandContext): CommandContext {
  const { settings, sources } = context;
  if (sources.SOURCE.from !== "default") return context;
  const folder = sources.DATA_DIR.from === "default" && { DATA_DIR: `${settings.DATA_DIR}/demo` };
  return { ...context, settings: { ...settings, SOURCE: "demo", ...folder } };
}

export const serve = defineCommand({
  usage: "",
  description: "Needs only the database. Any number of processes may run.",
  groups: ["windows", "storage", "http", "process"],
  flags: {},
  run(_args, context) {
    if (context.settings.POSTGRES_URL === undefined) {
      throw new UsageError(
        ["POSTGRES_URL is required: only the process that fills an embedded database can read it"],
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
