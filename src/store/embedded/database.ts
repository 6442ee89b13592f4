// Opens the embedded database so that neither kill -9 nor a power cut loses what was committed. Shell: PGlite over a folder.
import { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import { fsyncSync } from "node:fs";

/** A function of the folder's module. */
type FileOperation = (...given: unknown[]) => number;

/** What PGlite's runtime looks like, as far as it is needed here. */
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
 * Cancels the running statement when its time is over, as PostgreSQL's own signal handler would: WebAssembly has no signals, and its thread
 * runs nothing of ours meanwhile but reads and writes of files.
 */
export class StatementLimit {
  #runtime: Runtime | null = null;
  #until = Infinity;

  /** The runtime that the statements run in. */
  watch(runtime: Runtime): void {
    this.#runtime = runtime;
  }

  /** From now on what runs past `time` (`performance.now()`) is cancelled; Infinity also takes back what came too late to be heeded. */
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

/** A folder whose files really reach the disk: PGlite's own NodeFS leaves fsync out, so PostgreSQL's flushes would do nothing. */
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

/** PGlite's own start-up parameters without `-F`, which turns flushing off, and with settings of ours. */
const START_PARAMETERS = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== "-F"),
  ...[
    // The only flush that the WebAssembly build hands on to the folder.
    "wal_sync_method=fsync",
    // 140 MB less resident memory than PGlite's 128 MB, and no slower at this size of table.
    "shared_buffers=16MB",
    // The report queries' sorts; the default of 4 MB spills to files that go through JavaScript. What a query takes stays taken: the memory of
    // WebAssembly never shrinks, so hash tables get no more than sorts.
    "work_mem=8MB",
    "hash_mem_multiplier=1",
  ].flatMap((setting) => ["-c", setting]),
];

/**
 * Makes the database in `folder`. The caller holds the data folder's lock. It is made beside and renamed when complete, so that a process
 * killed meanwhile leaves nothing half-made. The runtimes that this takes leave some 300 MB in the heap of their thread.
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

/** Flushes every file below `folder`: initialisation itself writes without flushing. */
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
