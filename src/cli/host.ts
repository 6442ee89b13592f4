// The process around a command: environment, files, standard streams, signals. The only file here that reads them. Shell.
import { type ReadBundled, withoutBundled } from "../geo/install/bundled.ts";
import type { Environment } from "../shared/config/load.ts";
import { LineWriter } from "./line_writer.ts";

/** What a command line needs of the process. Tests pass their own. */
export interface Host {
  readonly env: Environment;
  /** Reads a UTF-8 file. Throws with a reason. */
  readonly readFile: (path: string) => string;
  readonly out: LineWriter;
  readonly err: LineWriter;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Columns of standard output, if that is a terminal and they are known. */
  readonly columns: number | undefined;
  /** NO_COLOR is set. */
  readonly noColour: boolean;
  /** The country database that comes with the program. */
  readonly bundledPlaces: ReadBundled;
  /** Name of this process if INSTANCE_ID is not set. */
  readonly instanceId: string;
  /** Listens for SIGINT and SIGTERM. The first aborts the returned signal, the second ends the process. */
  readonly listenForSignals: () => AbortSignal;
}

/** Enough for some thousand lines while a log collector restarts. */
const LOG_WAITING_MAX = 4 * 2 ** 20;

export function processHost(bundledPlaces: ReadBundled = withoutBundled): Host {
  const env: Environment = {
    get: (name) => ifAllowed(() => Deno.env.get(name), undefined),
    names: () => ifAllowed(() => Object.keys(Deno.env.toObject()), []),
  };
  return {
    env,
    readFile: (path) => Deno.readTextFileSync(path),
    out: new LineWriter(Deno.stdout),
    err: new LineWriter(Deno.stderr, { waitingMax: LOG_WAITING_MAX }),
    outIsTerminal: Deno.stdout.isTerminal(),
    errIsTerminal: Deno.stderr.isTerminal(),
    columns: Deno.stdout.isTerminal() ? terminalColumns() : undefined,
    noColour: Deno.noColor,
    bundledPlaces,
    instanceId: instanceId(env),
    listenForSignals,
  };
}

/** The terminal of a debugger or a test may have no size. */
function terminalColumns(): number | undefined {
  try {
    const { columns } = Deno.consoleSize();
    return columns > 0 ? columns : undefined;
  } catch {
    return undefined;
  }
}

/** `read()`, or `otherwise` if the process lacks the permission: a scoped binary may read only its own variables. */
function ifAllowed<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return otherwise;
    throw error;
  }
}

/** Host name and process id. In containers the process id is often 1, but host names differ. */
function instanceId(env: Environment): string {
  const name = ifAllowed<string | undefined>(() => Deno.hostname(), undefined) ?? env.get("HOSTNAME");
  return `${name || crypto.randomUUID().slice(0, 8)}-${Deno.pid}`.slice(-128);
}

function listenForSignals(): AbortSignal {
  const controller = new AbortController();
  // Windows has no SIGTERM.
  const signals = Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] as const : ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      // 128 + the signal's number, as a shell reports it.
      if (controller.signal.aborted) Deno.exit(signal === "SIGTERM" ? 143 : 130);
      controller.abort(new DOMException(`Stopped by ${signal}`, "AbortError"));
    });
  }
  return controller.signal;
}
