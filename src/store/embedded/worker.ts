// The thread of the embedded database. A statement in WebAssembly blocks this thread, but not the engine's. Shell: entry of a Worker.
import { workerScope } from "../../shared/worker_scope.ts";
import type { PGlite } from "@electric-sql/pglite";
import { makeDatabase, openDatabase, StatementLimit } from "./database.ts";
import { EmbeddedServer, type EmbeddedServerOptions } from "./server.ts";

type Limits = Pick<EmbeddedServerOptions, "holdMsMax" | "readerWaitMsMax" | "readerMsMax">;

/** Messages of the main thread. */
export type WorkerRequest =
  /** Makes the database. The caller ends the thread afterwards. */
  | { readonly kind: "make"; readonly folder: string }
  | { readonly kind: "start"; readonly folder: string; readonly limits: Limits; readonly password: string }
  | { readonly kind: "stop" };

/** Messages of the worker. `failed` can come at any time. */
export type WorkerReply =
  | { readonly kind: "made" }
  | { readonly kind: "started"; readonly port: number }
  | { readonly kind: "stopped" }
  | { readonly kind: "failed"; readonly reason: string };

const scope = workerScope<WorkerRequest, WorkerReply>();

let database: PGlite | undefined;
let server: EmbeddedServer | undefined;

const fail = (error: unknown) =>
  scope.postMessage({ kind: "failed", reason: error instanceof Error ? error.stack ?? error.message : String(error) });

async function handle(request: WorkerRequest): Promise<void> {
  if (request.kind === "make") {
    await makeDatabase(request.folder);
    scope.postMessage({ kind: "made" });
  } else if (request.kind === "start") {
    const limit = new StatementLimit();
    const opened = database = await openDatabase(request.folder, limit);
    server = await EmbeddedServer.start({
      database: {
        execProtocolRawStream: (message, options) => opened.execProtocolRawStream(message, options),
        cancelAfter: (time) => limit.cancelAfter(time),
      },
      password: request.password,
      ...request.limits,
      onFailure: fail,
    });
    scope.postMessage({ kind: "started", port: server.port });
  } else {
    await server?.stop();
    await database?.close();
    scope.postMessage({ kind: "stopped" });
  }
}

scope.onmessage = (event) => void handle(event.data).catch(fail);
