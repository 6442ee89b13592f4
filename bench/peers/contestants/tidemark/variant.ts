// The service with one thing left out, named by VARIANT: no-geo (places) or no-guarantee (fencing, stored offsets, ledger). Only for measuring.
// Composes the engine from the same parts as src/app/service.ts, so that everything else is the same program.
import { run as runCommand } from "../../../../src/cli/run/run.ts";
import { defineCommand } from "../../../../src/cli/command.ts";
import { dispatch } from "../../../../src/cli/dispatch.ts";
import { createEngine } from "../../../../src/app/engine.ts";
import { processHost } from "../../../../src/cli/host.ts";
import { openStorage, prepareSchema } from "../../../../src/app/storage.ts";
import { runRetention, runRollUp, runUpkeep } from "../../../../src/store/maintenance.ts";
import { openGeoFiles } from "../../../../src/geo/geo_files.ts";
import { type PlaceLocator, UNKNOWN_PLACE } from "../../../../src/geo/port.ts";
import { EXIT } from "../../../../src/shared/errors.ts";
import { lockFolder } from "../../../../src/shared/folder_lock.ts";
import { StepBoard, UPKEEP_STEPS } from "../../../../src/shared/steps.ts";
import { appendOnlyStore } from "./append_only_store.ts";

const nowhere: PlaceLocator = {
  locate: () => 0,
  family: 0,
  words: new Uint32Array(4),
  place: () => UNKNOWN_PLACE,
  size: 1,
};

/** As in src/app/service.ts: roll-ups wait while windows of a backlog are closed. */
const CLOSING_MS = 2_000;

const command = defineCommand({
  usage: "",
  groups: runCommand.groups,
  flags: runCommand.flags,
  async run(_args, context) {
    const { settings, clock, log, signal } = context;
    const variant = Deno.env.get("VARIANT");
    const lock = await lockFolder(settings.DATA_DIR);
    const storage = await openStorage(context);
    const geo = variant === "no-geo"
      ? null
      : await openGeoFiles({ paths: settings.GEO_DATABASE ?? [], dataDir: settings.DATA_DIR, log, clock });
    let closedAt = -Infinity;
    const maintenance = { database: storage.work, clock, log, steps: new StepBoard(UPKEEP_STEPS, clock) };
    try {
      await prepareSchema(storage, context, { waitMs: 60_000 });
      const engine = await createEngine(context, {
        storage,
        notes: lock,
        places: geo?.locator ?? nowhere,
        once: false,
        waitMs: 60_000,
        number: 0,
        onClosed: () => closedAt = clock.now(),
        ...(variant === "no-guarantee" && { wrapStore: (_, { work }) => appendOnlyStore(work) }),
      });
      await Promise.race([
        engine.run(signal),
        runRollUp({ ...maintenance, closing: () => clock.now() - closedAt < CLOSING_MS }, signal),
        runRetention({ ...maintenance, retentionDays: settings.RETENTION_DAYS }, signal),
        runUpkeep(maintenance, signal),
      ]);
      return EXIT.ok;
    } finally {
      geo?.close();
      await storage.close();
      lock.release();
    }
  },
});

const host = processHost();
const code = await dispatch(Deno.args, host, {
  run: { summary: "The service with one thing left out", load: () => Promise.resolve({ command }) },
});
await host.err.flush();
Deno.exit(code);
