// `tidemark serve`: the HTTP API and pages alone, read-only, over a database that others fill.
import { UsageError } from "../shared/errors.ts";
import { defineCommand } from "./command.ts";
import { runService } from "../app/service.ts";

export const command = defineCommand({
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
