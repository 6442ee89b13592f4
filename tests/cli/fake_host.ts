// A host for tests of the command line: memory instead of a process.
import { withoutBundled } from "../../src/geo/install/bundled.ts";
import type { Host } from "../../src/cli/host.ts";
import { LineWriter } from "../../src/cli/line_writer.ts";

/** What a test gives the command line, and reads back. */
export interface FakeHost extends Host {
  /** What was written so far, after a flush. */
  readonly written: () => Promise<{ readonly out: string; readonly err: string }>;
}

export interface FakeHostOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly terminal?: boolean;
  /** Of the terminal. */
  readonly columns?: number;
}

export function fakeHost({ env = {}, files = {}, terminal = false, columns }: FakeHostOptions = {}): FakeHost {
  const memory = () => {
    let text = "";
    // A byte order mark is kept, as a file keeps it.
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const writer = new LineWriter({
      write: (bytes) => {
        text += decoder.decode(bytes, { stream: true });
        return Promise.resolve(bytes.length);
      },
    });
    return { writer, text: () => text };
  };
  const out = memory();
  const err = memory();
  return {
    env: { get: (name) => env[name], names: () => Object.keys(env) },
    readFile: (path) => {
      const content = files[path];
      if (content === undefined) throw new Error(`No such file ${path}`);
      return content;
    },
    out: out.writer,
    err: err.writer,
    outIsTerminal: terminal,
    errIsTerminal: terminal,
    columns: terminal ? columns : undefined,
    noColour: false,
    bundledPlaces: withoutBundled,
    instanceId: "host-1",
    listenForSignals: () => new AbortController().signal,
    written: async () => {
      await Promise.all([out.writer.flush(), err.writer.flush()]);
      return { out: out.text(), err: err.text() };
    },
  };
}
