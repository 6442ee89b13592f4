// Runs the program: command line → exit code, then the end of the process. I/O through the host.
import type { ReadBundled } from "../geo/install/bundled.ts";
import { dispatch } from "./dispatch.ts";
import { processHost } from "./host.ts";

/** Longest wait until the last log lines are written, because a stuck reader must not delay the end. Results have no limit. */
const LOG_FLUSH_MS_MAX = 2_000;

export async function runProgram(bundledPlaces?: ReadBundled): Promise<never> {
  const host = processHost(bundledPlaces);
  const code = await dispatch(Deno.args, host);
  await host.out.flush();
  await Promise.race([host.err.flush(), new Promise((resolve) => setTimeout(resolve, LOG_FLUSH_MS_MAX))]);
  Deno.exit(code);
}
