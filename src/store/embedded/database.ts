// Opens the embedded database so that neither `kill -9` nor a power cut loses a commit. Shell: PGlite over a folder.
import { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import { fsyncSync } from "node:fs";

/** A function of the folder's module. */
type FileOperation = (...given: unknown[]) => number;

/** The parts of PGlite's runtime that are used here. */
interface Runtime {
  readonly NODEFS: {
    readonly stream_ops: {
      fsync?: (stream: { readonly nfd: number }) => number;
      read: FileOperation;
      write: FileOperation;
    };
  };
  readonly wasmMemory: WebAssembly.Memory;
  /** Addresses of PostgreSQL's flags. */
  readonly _QueryCancelPending: number;
  readonly _InterruptPending: number;
}

/**
 * Cancels the running statement when its time is over, as PostgreSQL's signal handler does. WebAssembly has no signals, and while a statement
 * runs, the only code of ours in its thread is the reading and writing of files.
 */
export class StatementLimit {
  #runtime: Runtime | null = null;
  #until = Infinity;

  /** The runtime that the statements run in. */
  watch(runtime: Runtime): void {
    this.#runtime = runtime;
  }

  /** Cancels what runs past `time` (`performance.now()`). Infinity ends the limit and clears a cancellation that came too late. */
  cancelAfter(time: number): void {
    this.#until = time;
    if (time === Infinity) this.#flag(0);
  }

  /** Called at each read and write of a file. */
  check(): void {
    if (this.#until === Infinity || performance.now() < this.#until) return;
    this.#until = Infinity;
    this.#flag(1);
  }

  #flag(value: 0 | 1): void {
    if (this.#runtime === null) return;
    const { wasmMemory, _QueryCancelPending, _InterruptPending } = this.#runtime;
    const memory = new Uint8Array(wasmMemory.buffer);
    memory[_QueryCancelPending] = value;
    memory[_InterruptPending] = value;
  }
}

/** A folder with a working fsync. PGlite's own NodeFS leaves it out, so PostgreSQL's flushes would do nothing. */
class DurableFolder extends NodeFS {
  constructor(folder: string, readonly limit: StatementLimit) {
    super(folder);
  }

  override async init(...[database, options]: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const made = await super.init(database, options);
    const prepare = (given: unknown) => {
      const runtime = given as Runtime, { stream_ops } = runtime.NODEFS, { read, write } = stream_ops;
      this.limit.watch(runtime);
      stream_ops.fsync = (stream) => {
        fsyncSync(stream.nfd);
        return 0;
      };
      const checked = (operation: FileOperation): FileOperation => (...given) => {
        this.limit.check();
        return operation(...given);
      };
      stream_ops.read = checked(read);
      stream_ops.write = checked(write);
    };
    return { emscriptenOpts: { ...made.emscriptenOpts, preRun: [...made.emscriptenOpts.preRun ?? [], prepare] } };
  }
}

/** PGlite's start-up parameters without `-F`, which turns flushing off, and our settings. */
const START_PARAMETERS = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== "-F"),
  ...[
    // The only method whose flushes reach the folder in the WebAssembly build.
    "wal_sync_method=fsync",
    // Saves 140 MB of resident memory against PGlite's 128 MB, and is as fast at this size of table.
    "shared_buffers=16MB",
    // For the sorts of reports: the default of 4 MB spills to files that go through JavaScript. The memory of WebAssembly never shrinks, so
    // hash tables get no more than sorts.
    "work_mem=8MB",
    "hash_mem_multiplier=1",
  ].flatMap((setting) => ["-c", setting]),
];

/**
 * Makes the database in `folder`. The caller holds the data folder's lock. The database is made in another folder and renamed when complete,
 * so a killed process leaves no half-made one. This leaves some 300 MB in the heap of its thread.
 */
export async function makeDatabase(folder: string): Promise<void> {
  const making = `${folder}.making`;
  await removeFolder(making);
  const made = await openDatabase(making);
  await made.close();
  await flushTree(making);
  await removeFolder(folder);
  await Deno.rename(making, folder);
}

/** Opens the database in `folder`. The caller holds the data folder's lock: PGlite takes none. */
export async function openDatabase(folder: string, limit = new StatementLimit()): Promise<PGlite> {
  const database = new PGlite({ fs: new DurableFolder(folder, limit), startParams: START_PARAMETERS });
  await database.waitReady;
  return database;
}

async function removeFolder(folder: string) {
  try {
    await Deno.remove(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Flushes every file below `folder`, because the initialisation writes without flushing. */
async function flushTree(folder: string) {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) await flushTree(path);
    else if (entry.isFile) {
      using file = await Deno.open(path, { write: true });
      await file.syncData();
    }
  }
}
