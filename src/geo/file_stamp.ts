// Notices that a file on disk has changed. Shell: reads the file system.

/** Identifies a state of a file. */
export type FileStamp = Pick<Deno.FileInfo, "size" | "ino" | "dev"> & { readonly mtimeMs: number };

/** The stamp of a result of `stat`. */
export function stampOf(info: Deno.FileInfo): FileStamp {
  return { size: info.size, ino: info.ino, dev: info.dev, mtimeMs: info.mtime?.getTime() ?? 0 };
}

/** Whether the file has not changed between the two. */
export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.size === b.size && a.ino === b.ino && a.dev === b.dev && a.mtimeMs === b.mtimeMs;
}

/** The stamps of files by path. An absent file is left out, or has size -1, so that opening it reports its name. */
export async function stampAll(
  paths: readonly string[],
  { skipMissing = false } = {},
): Promise<ReadonlyMap<string, FileStamp>> {
  const stamps = new Map<string, FileStamp>();
  for (const path of paths) {
    try {
      stamps.set(path, stampOf(await Deno.stat(path)));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      if (!skipMissing) stamps.set(path, { size: -1, ino: null, dev: 0, mtimeMs: 0 });
    }
  }
  return stamps;
}

/** Whether both have the same files in the same state. */
export function sameStamps(a: ReadonlyMap<string, FileStamp>, b: ReadonlyMap<string, FileStamp>): boolean {
  if (a.size !== b.size) return false;
  for (const [path, stamp] of a) {
    const other = b.get(path);
    if (other === undefined || !sameStamp(stamp, other)) return false;
  }
  return true;
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.replace(/^.*[\\/]/, "");
}
