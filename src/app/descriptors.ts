// How many files and sockets this process may have open, and who gets how many of them. Shell: reads one file of the system.

/** What is assumed where the limit cannot be read: the usual soft limit of a shell or a container. */
const ASSUMED = 1_024;
/** Readers of dashboards need no more connections than this. */
const HTTP_MAX = 4_096;
/** Below this even the database, the log and the place files are short of descriptors. */
export const DESCRIPTORS_MIN = 256;

/** The limit on open descriptors of this process; the usual one where it cannot be read (another system, a scoped binary). */
export async function descriptorLimit(): Promise<number> {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(await Deno.readTextFile("/proc/self/limits")) ?? [];
    return soft === undefined ? ASSUMED : Number(soft);
  } catch {
    return ASSUMED;
  }
}

/**
 * The share of HTTP's connections: half of what is open to us. The other half is for the database's pools (9 an engine), the broker's
 * connections, log files and place files, so that no number of clients takes a descriptor from the stream.
 */
export function httpShare(limit: number): number {
  return Math.max(16, Math.min(HTTP_MAX, Math.floor(limit / 2)));
}
