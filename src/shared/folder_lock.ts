// A lock on the data folder, which belongs to one process at a time, and small notes that outlive the process. Shell: files and an OS lock.
// No library: a lock of the operating system ends with its process in any case; the libraries rely on the times of files.
import { systemClock } from "./clock.ts";
import { EXIT, messageOf, NamedError } from "./errors.ts";

/** Small texts that outlive the process. */
export interface Notes {
  /** The note that this process or an earlier one has written, or undefined. */
  readNote(name: string): Promise<string | undefined>;
  /** Replaces the whole note: after a crash it is either the old one or the new one. */
  writeNote(name: string, text: string): Promise<void>;
}

/**
 * A data folder that is ours until `release` or the end of the process, when the operating system drops the lock. Its holder knows that the
 * predecessor is gone; so notes are read and written only through the lock.
 */
export interface FolderLock extends Notes {
  readonly path: string;
  /** Gives the folder back. Safe to call twice. */
  release(): void;
}

/**
 * Locks the folder `path`; makes it with mode 0700 if it does not exist.
 *
 * @throws NamedError `data_dir_locked` (exit 5) while another process holds it, `data_dir_unusable` (exit 2) if it cannot be made or
 *   written; both end the program in `main`
 */
export async function lockFolder(path: string): Promise<FolderLock> {
  const lockPath = `${path}/lock`;
  let file: Deno.FsFile;
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    // Not truncated before it is locked: a second process reads here which process holds the lock.
    file = await Deno.open(lockPath, { read: true, write: true, create: true, mode: 0o600 });
  } catch (cause) {
    throw new NamedError(
      "data_dir_unusable",
      `Cannot use ${path} as data folder: ${messageOf(cause)}.`,
      EXIT.usage,
      "Set DATA_DIR to a folder that this user may write.",
      { cause },
    );
  }
  if (!await file.tryLock(true)) {
    file.close();
    throw new NamedError(
      "data_dir_locked",
      `The data folder ${path} is in use by ${await holder(lockPath)}.`,
      EXIT.busy,
      "Stop that process, or give this one a DATA_DIR of its own.",
    );
  }
  await file.truncate();
  const started = new Date(systemClock.now()).toISOString();
  await file.write(new TextEncoder().encode(JSON.stringify({ pid: Deno.pid, started }) + "\n"));
  return held(path, file);
}

function held(path: string, file: Deno.FsFile): FolderLock {
  let released = false;
  const notePath = (name: string) => {
    if (released) throw new TypeError(`Cannot use note "${name}": the folder lock was released.`);
    if (!/^[a-z0-9_-]+$/.test(name)) throw new TypeError(`A note's name is [a-z0-9_-]+: current value is "${name}".`);
    return `${path}/${name}.note`;
  };
  return {
    path,
    async readNote(name) {
      try {
        return await Deno.readTextFile(notePath(name));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
    async writeNote(name, text) {
      const target = notePath(name);
      await Deno.writeTextFile(`${target}.new`, text, { mode: 0o600 });
      await Deno.rename(`${target}.new`, target);
    },
    release() {
      if (released) return;
      released = true;
      // A program that is being started holds a copy of the descriptor until it runs, so closing ours may not end the lock.
      file.unlockSync();
      file.close();
    },
  };
}

/** Reads the note `name` in the folder `path` without its lock: a note of the process that holds it, or of an earlier one. */
export async function readNoteBeside(path: string, name: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(`${path}/${name}.note`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}

async function holder(lockPath: string): Promise<string> {
  try {
    const { pid, started } = JSON.parse(await Deno.readTextFile(lockPath));
    return `process ${pid} since ${started}`;
  } catch {
    // It has not written yet, or the OS does not allow reading a locked file.
    return "another process";
  }
}
