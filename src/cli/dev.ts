// `tidemark dev`: demo traffic into the embedded database, on a machine with neither broker nor database.
import { defineCommand } from "./command.ts";
import { runService } from "../app/service.ts";
import { lockDataFolder } from "../app/storage.ts";

export const command = defineCommand({
  usage: "",
  description:
    "Weeks of plausible history, then live traffic. The demo lives in the folder `demo` of DATA_DIR, apart from a stream of your own and " +
    "from installed place files; delete it to begin anew.",
  groups: [
    "source",
    "kafka",
    "file",
    "demo",
    "events",
    "windows",
    "storage",
    "commits",
    "geo",
    "http",
    "process",
    "legacy",
  ],
  flags: {},
  async run(_args, given) {
    // What the user has set wins; the default source is the demo instead of Kafka, in a folder of its own.
    const { settings, sources } = given;
    const context = sources.SOURCE.from === "default"
      ? {
        ...given,
        settings: {
          ...settings,
          SOURCE: "demo" as const,
          ...(sources.DATA_DIR.from === "default" && { DATA_DIR: `${settings.DATA_DIR}/demo` }),
        },
      }
      : given;
    const lock = await lockDataFolder(context);
    try {
      return await runService(context, {
        lock,
        engines: true,
        http: true,
        once: false,
        waitMs: Infinity,
        geoFolder: settings.DATA_DIR,
        onListening: (url) => context.err(`\n  Tidemark  ${url}\n`),
      });
    } finally {
      lock.release();
    }
  },
});
