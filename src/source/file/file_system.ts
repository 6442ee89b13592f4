// The port to a file system, with only what a log needs, and its implementation on disk. The simulation has a model in its place. Shell.
import { glob, open, readdir, realpath, stat } from "node:fs/promises";
import type { Stats } from "node:fs";

/** What the file system says of a file. */
export interface FileInfo {
  /** `other`: a device, a pipe, a socket. */
  readonly kind: "file" | "folder" | "other";
  /** Bytes on disk. */
  readonly size: number;
  /** Modification time in epoch ms, by the file system's clock: compare it with other files' times only. */
  readonly modified: number;
  /** Device and inode. A file keeps them when it is renamed; once it is gone, another file may get them. */
  readonly identity: string;
  /** Number of names (hard links): 0 once it was removed. */
  readonly links: number;
}

/** An open file. It can still be read after its name was removed or given to another file. */
export interface OpenFile {
  /** Fills `into` from byte `at` of the file on; resolves to the number of bytes read, 0 at the end. */
  read(into: Uint8Array, at: number): Promise<number>;
  info(): Promise<FileInfo>;
  close(): Promise<void>;
}

/** Rejects with the operating system's error (`code` ENOENT, EACCES, …). */
export interface FileSystem {
  open(path: string): Promise<OpenFile>;
  /** Follows symbolic links. */
  info(path: string): Promise<FileInfo>;
  /** The path without symbolic links. */
  real(path: string): Promise<string>;
  /** Names in a folder, in any order. */
  names(folder: string): Promise<string[]>;
  /** Paths that a glob names, in any order. */
  glob(pattern: string): AsyncIterable<string>;
}

/** The disk of this machine. */
export const disk: FileSystem = {
  async open(path) {
    const handle = await open(path);
    return {
      read: async (into, at) => (await handle.read(into, 0, into.length, at)).bytesRead,
      info: async () => infoOf(await handle.stat()),
      close: () => handle.close(),
    };
  },
  info: async (path) => infoOf(await stat(path)),
  real: (path) => realpath(path),
  names: (folder) => readdir(folder),
  glob: (pattern) => glob(pattern),
};

function infoOf(stats: Stats): FileInfo {
  return {
    kind: stats.isFile() ? "file" : stats.isDirectory() ? "folder" : "other",
    size: stats.size,
    modified: stats.mtimeMs,
    identity: `${stats.dev}:${stats.ino}`,
    links: stats.nlink,
  };
}
