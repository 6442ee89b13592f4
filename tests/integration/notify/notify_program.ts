// Makes and sends messages as `tidemark run` does, until it is killed: run by notify_test.ts, with its settings as JSON.
import { Database } from "../../../src/store/postgres/client.ts";
import { runNotifying } from "../../../src/app/notifying.ts";
import { defaultSettings } from "../../support/settings.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { StepBoard, UPKEEP_STEPS } from "../../../src/shared/steps.ts";

const { url, settings } = JSON.parse(Deno.args[0]!);
const database = new Database({
  address: { kind: "url", url },
  schema: "public",
  applicationName: "notify-test",
  max: 2,
  statementTimeoutMs: 10_000,
});
await runNotifying(
  { settings: { ...defaultSettings(), ...settings }, clock: systemClock, log: silentLog },
  { database, steps: new StepBoard(UPKEEP_STEPS, systemClock) },
  new AbortController().signal,
);
