// The program: words → subcommand → exit code. Everything else is in cli/.
import { dispatch } from "./cli/dispatch.ts";
import { processHost } from "./cli/host.ts";

/** Longest wait for a reader of the last log lines: one that is stuck must not hold up a stop. Results wait for as long as it takes. */
const LOG_FLUSH_MS_MAX = 2_000;

if (import.meta.main) {
  const host = processHost();
  const code = await dispatch(Deno.args, host);
  await host.out.flush();
  await Promise.race([host.err.flush(), new Promise((resolve) => setTimeout(resolve, LOG_FLUSH_MS_MAX))]);
  Deno.exit(code);
}
