// A whole run of the program: words of the command line → exit code, then the end of the process. I/O through the host.
import type { ReadBundled } from "../geo/install/bundled.ts";
import { dispatch } from "./dispatch.ts";
import { processHost } from "./host.ts";

/** Longest wait for a reader of the last log lines: one that is stuck must not hold up a stop. Results wait for as long as it takes. */
const LOG_FLUSH_MS_MAX = 2_000;

/** Runs what the command line asks for and ends the process with its exit code. */
export async function runProgram(bundledPlaces?: ReadBundled): Promise<never> {
  const host = processHost(bundledPlaces);
  const code = await dispatch(Deno.args, host);
  await host.out.flush();
  await Promise.race([host.err.flush(), new Promise((resolve) => setTimeout(resolve, LOG_FLUSH_MS_MAX))]);
  Deno.exit(code);
}
