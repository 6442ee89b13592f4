// The limit of open files and sockets of this process, and the share of HTTP. Shell: reads one file of the system.

/** Assumed if the limit cannot be read: the usual soft limit of a shell or a container. */
const ASSUMED = 1_024;
/** Readers of dashboards need no more connections than this. */
const HTTP_MAX = 4_096;
/** With fewer, the database, the log and the place files may lack descriptors. */
export const DESCRIPTORS_MIN = 256;

/** The limit of open descriptors. It cannot be read on some systems and in a scoped binary. */
export async function descriptorLimit(): Promise<number> {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(await Deno.readTextFile("/proc/self/limits")) ?? [];
    return soft === undefined ? ASSUMED : Number(soft);
  } catch {
    return ASSUMED;
  }
}

/**
 * The share of HTTP connections: half of the limit. The other half is for connections to the database and the broker, log files and place
 * files, so that clients cannot take descriptors from the stream.
 */
export function httpShare(limit: number): number {
  return Math.max(16, Math.min(HTTP_MAX, Math.floor(limit / 2)));
}
