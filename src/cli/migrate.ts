// `tidemark migrate`: brings the schema up to date, or says what would be done.
import { appliedMigrations, initSql, MIGRATIONS } from "../store/migrate.ts";
import { boolean, duration } from "../shared/config/kinds.ts";
import { EXIT } from "../shared/errors.ts";
import { HOUR } from "../shared/units.ts";
import { defineCommand, flag } from "./command.ts";
import { lockDataFolder, openStorage, prepareSchema } from "../app/storage.ts";

export const command = defineCommand({
  usage: "",
  description: "Safe beside running instances: each migration is one transaction under a lock, and old functions stay.",
  groups: ["storage", "process"],
  flags: {
    print: flag(boolean, { doc: "Print ddl/init.sql, the whole schema for psql, and connect to nothing." }),
    "dry-run": flag(boolean, { doc: "Only print what is missing." }),
    wait: flag(duration(0, HOUR), { default: "60s", doc: "How long to wait for an absent server." }),
  },
  async run(_args, context) {
    const { settings, flags, out } = context;
    if (flags.print) {
      out((await initSql()).trimEnd());
      return EXIT.ok;
    }
    const lock = settings.POSTGRES_URL === undefined ? await lockDataFolder(context) : null;
    const storage = await openStorage(context);
    try {
      if (flags["dry-run"]) {
        const applied = await appliedMigrations(storage.work);
        const missing = MIGRATIONS.filter((name) => !applied?.has(Number(name.slice(0, 4))));
        for (const name of missing) out(`missing ${name}`);
        if (missing.length === 0) out("up to date");
        return EXIT.ok;
      }
      const done = await prepareSchema(storage, context, { waitMs: flags.wait });
      for (const name of done) out(`applied ${name}`);
      if (done.length === 0) out("up to date");
      return EXIT.ok;
    } finally {
      await storage.close();
      lock?.release();
    }
  },
});
