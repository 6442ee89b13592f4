// `tidemark run`: the service. Or, with --once, read to the end, close, exit.
import { boolean, duration } from "../shared/config/kinds.ts";
import { HOUR } from "../shared/units.ts";
import { defineCommand, flag } from "./command.ts";
import { runService } from "../app/service.ts";
import { lockDataFolder } from "../app/storage.ts";

export const command = defineCommand({
  usage: "",
  description:
    "Reads events, counts them by window, host, referrer and place, and commits them exactly once into PostgreSQL.",
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
  flags: {
    once: flag(boolean, {
      doc: "Read to the end offsets of the start, close what can be closed, exit 0: for backfills and cron.",
    }),
    wait: flag(duration(0, HOUR), {
      default: "60s",
      doc: "With --once: how long an absent broker or database is awaited.",
    }),
    "no-http": flag(boolean, { doc: "Do not listen. --once never does." }),
  },
  async run(_args, context) {
    const { flags, log } = context;
    const lock = await lockDataFolder(context);
    try {
      return await runService(context, {
        lock,
        engines: true,
        http: !flags.once && !flags["no-http"],
        once: flags.once,
        waitMs: flags.wait,
        onListening: (url) => log.info("listening", { url }),
      });
    } finally {
      lock.release();
    }
  },
});
