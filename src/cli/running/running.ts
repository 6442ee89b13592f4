// The address of the process of a data folder, from its note there, checked over HTTP. Shell: reads the note.
import { readNoteBeside } from "../../shared/folder_lock.ts";
import type { Settings } from "../../shared/config/settings.ts";
import { healthUrl } from "./health.ts";

const ANSWER_MS = 3_000;

/** The address of the process that holds `folder`, by its note; undefined without a note, or if it does not answer there. */
export async function addressOfFolder(folder: string): Promise<string | undefined> {
  const address = (await readNoteBeside(folder, "http"))?.trim();
  return address && await answers(address) ? address : undefined;
}

/** The address of a process on this machine: of the data folder, of the demo in it, or at HTTP_HOST and HTTP_PORT. */
export async function runningAddress({ DATA_DIR, HTTP_HOST, HTTP_PORT }: Settings): Promise<string | undefined> {
  const noted = await addressOfFolder(DATA_DIR) ?? await addressOfFolder(`${DATA_DIR}/demo`);
  if (noted !== undefined || HTTP_PORT === 0) return noted;
  const address = healthUrl(HTTP_HOST, HTTP_PORT, "");
  return await answers(address) ? address : undefined;
}

async function answers(address: string): Promise<boolean> {
  try {
    const response = await fetch(`${address}/livez`, { signal: AbortSignal.timeout(ANSWER_MS), redirect: "error" });
    await response.body?.cancel();
    return response.ok;
  } catch {
    // Nothing listens there, or it is another program: either way it is not ours.
    return false;
  }
}
