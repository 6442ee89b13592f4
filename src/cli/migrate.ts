// `tidemark migrate`: brings the schema up to date, or prints what is missing.
import { appliedMigrations, initSql, MIGRATIONS } from "../store/migrate.ts";
import { boolean } from "../shared/config/kinds.ts";
import { EXIT } from "../shared/errors.ts";
import { defineCommand, flag, WAIT } from "./command.ts";
import { withMigratedStorage, withStorageToLookAt } from "../app/storage.ts";

export const command = defineCommand({
  usage: "",
  description: "Safe beside running instances: it is one transaction under a lock, and old functions stay.",
  groups: ["storage", "process"],
  flags: {
    print: flag(boolean, { doc: "Print ddl/init.sql, the whole schema for psql, without connecting." }),
    "dry-run": flag(boolean, { doc: "Only print what is missing." }),
    wait: WAIT,
  },
  async run(_args, context) {
    const { flags, out } = context;
    if (flags.print) {
      out((await initSql()).trimEnd());
      return EXIT.ok;
    }
    if (flags["dry-run"]) {
      return await withStorageToLookAt(context, async (storage) => {
        const database = storage?.migrations();
        const applied = database ? await appliedMigrations(database).finally(() => database.close()) : null;
        const missing = MIGRATIONS.filter((name) => !applied?.has(Number(name.slice(0, 4))));
        for (const name of missing) out(`missing ${name}`);
        if (missing.length === 0) out("up to date");
        return EXIT.ok;
      });
    }
    return await withMigratedStorage(context, flags.wait, (_storage, done) => {
      for (const name of done) out(`applied ${name}`);
      if (done.length === 0) out("up to date");
      return Promise.resolve(EXIT.ok);
    });
  },
});
