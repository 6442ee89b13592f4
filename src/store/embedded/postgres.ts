// The database of a machine without PostgreSQL: PGlite in a Worker behind a loopback socket. Shell: starts the Worker.
import { BugError } from "../../shared/errors.ts";
import { type DurationMs, durationMs, MINUTE } from "../../shared/units.ts";
import { EMBEDDED_NAME } from "./server.ts";
import type { WorkerReply, WorkerRequest } from "./worker.ts";

/** A connection that holds its turn and sends nothing for this long is closed and rolled back. */
const EMBEDDED_HOLD_MAX = MINUTE;

/** A reader that has waited this long for its turn is refused. Shorter than the API's deadline, whose error could not give the reason. */
const READER_WAIT_MAX = durationMs(3_000);
/** Limit of a reader's statement beside an engine: a third of a file's lease, so that one statement cannot make the lease expire. */
const READER_MAX = durationMs(3_000);

/**
 * A running embedded database. All connections share one PostgreSQL session and take turns, one statement or transaction at a time, so more
 * connections do not make it faster. Do not rely on `SET`, temporary tables, session locks and LISTEN; COPY and cancelling are not supported.
 */
export interface EmbeddedPostgres {
  /** `postgres://…@127.0.0.1:port/…` with a password that only this process knows. */
  readonly url: string;
  /** Rejects when the database fails for good; the process must then end and start again from the folder. Never resolves. */
  readonly failure: Promise<never>;
  /** Waits for the running statement, closes all connections and the database. Safe to call twice. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Folder of the database, made on first use. The caller holds the data folder's lock. */
  readonly folder: string;
  readonly readerWaitMax?: DurationMs;
  readonly readerMax?: DurationMs;
}

/** Whether there is a database in `folder`. Only a complete one gets this name. */
export async function embeddedExists(folder: string): Promise<boolean> {
  try {
    return (await Deno.stat(`${folder}/PG_VERSION`)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Starts the embedded database. @throws BugError when PGlite cannot open the folder; caught by `main` */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  if (!await embeddedExists(options.folder)) await makeInThread(options.folder);
  const started = Promise.withResolvers<number>();
  const stopped = Promise.withResolvers<void>();
  const failure = Promise.withResolvers<never>();
  const fail = (reason: string) => {
    const error = new BugError(`The embedded database failed: ${reason}`);
    for (const waiting of [started, stopped, failure]) waiting.reject(error);
  };
  // A failure after the stop or before the start may have no listener.
  for (const { promise } of [started, stopped, failure]) promise.catch(() => {});
  const worker = startWorker((reply) => {
    if (reply.kind === "started") started.resolve(reply.port);
    else if (reply.kind === "stopped") stopped.resolve();
  }, fail);
  const send = (request: WorkerRequest) => worker.postMessage(request);
  const password = crypto.randomUUID().replaceAll("-", "");
  send({
    kind: "start",
    folder: options.folder,
    password,
    limits: {
      holdMsMax: EMBEDDED_HOLD_MAX,
      readerWaitMsMax: options.readerWaitMax ?? READER_WAIT_MAX,
      readerMsMax: options.readerMax ?? READER_MAX,
    },
  });
  let port: number;
  try {
    port = await started.promise;
  } catch (error) {
    worker.terminate();
    throw error;
  }
  let stopping: Promise<void> | undefined;
  return {
    url: `postgres://${EMBEDDED_NAME}:${password}@127.0.0.1:${port}/${EMBEDDED_NAME}`,
    failure: failure.promise,
    stop: () =>
      stopping ??= (async () => {
        send({ kind: "stop" });
        await stopped.promise.finally(() => worker.terminate());
      })(),
  };
}

function startWorker(take: (reply: WorkerReply) => void, fail: (reason: string) => void): Worker {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "embedded" });
  worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => data.kind === "failed" ? fail(data.reason) : take(data);
  worker.onerror = (event) => {
    event.preventDefault();
    fail(event.message);
  };
  return worker;
}

/** Makes the database in a thread of its own, whose end frees the memory that this takes. @throws BugError when it cannot be made */
async function makeInThread(folder: string): Promise<void> {
  const made = Promise.withResolvers<void>();
  const worker = startWorker(
    () => made.resolve(),
    (reason) => made.reject(new BugError(`The embedded database cannot be made: ${reason}`)),
  );
  worker.postMessage({ kind: "make", folder } satisfies WorkerRequest);
  await made.promise.finally(() => worker.terminate());
}
