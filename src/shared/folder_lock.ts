// The data folder belongs to one process at a time; small notes beside the lock outlive it. Shell: files and an OS lock.
// No library: a lock of the operating system ends with the process, however it ends; those there are go by files' times.
import { systemClock } from "./clock.ts";
import { EXIT, messageOf, NamedError } from "./errors.ts";

/** Small texts that outlive the process. */
export interface Notes {
  /** The note that we or a predecessor left under `name`, or undefined. */
  readNote(name: string): Promise<string | undefined>;
  /** Replaces the note whole: a crash leaves the old one or the new one. */
  writeNote(name: string, text: string): Promise<void>;
}

/**
 * A data folder that is ours until `release` or the end of the process, however it ends: the operating system drops the lock. A process that
 * holds it knows that its predecessor is gone, so notes are read and written through it only.
 */
export interface FolderLock extends Notes {
  readonly path: string;
  /** Gives the folder back. Safe to call twice. */
  release(): void;
}

/**
 * Locks the folder `path`, made with mode 0700 where it does not exist.
 *
 * @throws NamedError `data_dir_locked` (exit 5) while another process holds it, `data_dir_unusable` (exit 2) when it cannot be
 *   made or written; both end the program in `main`
 */
export async function lockFolder(path: string): Promise<FolderLock> {
  const lockPath = `${path}/lock`;
  let file: Deno.FsFile;
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    // Never truncated or removed here: a second process reads from it who holds the lock.
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
      file.close();
    },
  };
}

/** The note `name` in the folder `path`, without its lock: what the process that holds the folder, or its predecessor, left there. */
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
    // Between its lock and its first write, or where the OS forbids reading a locked file.
    return "another process";
  }
}
