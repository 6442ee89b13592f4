// `tidemark dev`: demo traffic into the embedded database, on a machine with neither broker nor database.
import { defineCommand } from "./command.ts";
import { runService } from "../app/service.ts";
import { lockDataFolder } from "../app/storage.ts";

export const command = defineCommand({
  usage: "",
  description: "Weeks of plausible history, then live traffic. Delete DATA_DIR to begin anew.",
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
    // What the user has set wins; the default source is the demo instead of Kafka.
    const context = given.sources.SOURCE.from === "default"
      ? { ...given, settings: { ...given.settings, SOURCE: "demo" as const } }
      : given;
    const lock = await lockDataFolder(context);
    try {
      return await runService(context, {
        lock,
        engines: true,
        http: true,
        once: false,
        waitMs: Infinity,
        onListening: (url) => context.err(`\n  Tidemark  ${url}\n`),
      });
    } finally {
      lock.release();
    }
  },
});
