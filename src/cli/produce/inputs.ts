// Finds the files of `produce`, in the order in which they were written, and checks each before anything is sent. Shell: disk, stdin.
import { glob } from "node:fs/promises";
import { resolve } from "node:path";
import { type FirstLines, nothingRead } from "../../event/log_line/found.ts";
import { messageOf, NamedError, UsageError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import { openContent, readHead, streamContent } from "../../source/file/content.ts";
import { isMissing, noFile, notAFile } from "../../source/file/errors.ts";
import { disk } from "../../source/file/file_system.ts";
import { type DatedFile, readingOrder } from "../../source/file/match.ts";
import { isGlob } from "../../source/file/names.ts";
import { HOST, hostIn, parsePattern } from "../../source/file/pattern.ts";
import { type FirstEventTime, timesOf } from "../../source/file/listing.ts";
import type { ProduceInput } from "./produce_inputs.ts";

/** Options for the check of the files. */
interface InputReaders {
  readonly examine: (bytes: Uint8Array, isWhole: boolean) => FirstLines;
  readonly timeOf: FirstEventTime;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Files in the order in which SOURCE=file reads them, then standard input. @throws {UsageError} with every problem */
export async function inputsOf(
  args: readonly string[],
  readers: InputReaders,
): Promise<readonly ProduceInput[]> {
  if (args.length === 0) {
    throw new UsageError(["produce needs at least one file, or - for standard input."], "tidemark produce FILE…|-");
  }
  const dashes = args.filter((arg) => arg === "-").length;
  const problems = dashes > 1 ? ["Standard input can be read only once."] : [];
  const files: InputFile[] = [];
  for (const arg of args.filter((arg) => arg !== "-")) {
    try {
      const pattern = parsePattern(arg);
      for (const path of await pathsOf(arg)) {
        files.push({ ...await look(path, readers), host: hostIn(pattern, resolve(path)) });
      }
    } catch (error) {
      if (error instanceof NamedError && !(error instanceof UsageError)) throw error;
      problems.push(
        ...(error instanceof UsageError
          ? error.problems.map((problem) => `${problem} ${error.action}`)
          : [`Cannot read ${arg}: ${messageOf(error)}`]),
      );
    }
  }
  if (problems.length > 0) throw new UsageError(problems, "Check the paths.", "no_file");
  const ordered = readingOrder(files);
  if (ordered.some((file, i) => file !== files[i])) {
    readers.log.info("files are sent in the order in which they were written", {
      files: ordered.map(({ path }) => path),
    });
  }
  const inputs = ordered.map(({ path, size, host }): ProduceInput => ({
    name: path,
    size,
    host,
    open: () => openContent(path, 0),
  }));
  const stdin: ProduceInput = {
    name: "-",
    size: null,
    open: () => streamContent(standardInput(readers.signal)),
  };
  return dashes === 0 ? inputs : [...inputs, stdin];
}

async function pathsOf(arg: string): Promise<string[]> {
  const pattern = arg.replaceAll(HOST, "*");
  if (!isGlob(pattern)) return [arg];
  const paths: string[] = [];
  for await (const path of glob(pattern)) if ((await disk.info(path)).kind === "file") paths.push(path);
  if (paths.length === 0) throw noFile(arg);
  return paths;
}

/** An existing file. */
interface InputFile extends DatedFile {
  readonly size: number;
  /** From `{host}` in the given path. */
  readonly host?: string | undefined;
}

/** Checks the beginning of a file. @throws {UsageError} if nothing in it can be read */
async function look(path: string, { examine, timeOf, log }: InputReaders): Promise<InputFile> {
  let info: Awaited<ReturnType<typeof disk.info>>;
  try {
    info = await disk.info(path);
  } catch (error) {
    throw isMissing(error) ? noFile(path) : error;
  }
  if (info.kind !== "file") throw notAFile(path, info.kind);
  const head = await readHead(path, disk);
  const first = examine(head.bytes, !head.compressed && head.bytes.length === info.size);
  // JSON is sent unchanged: the stream that reads it knows its fields.
  const isJson = first.unread !== null && head.bytes[first.unread.start] === 0x7b;
  if (first.lines > 0 && first.events === 0 && !isJson) throw nothingRead(path, first);
  if (first.found !== null) log.info("format found", { file: path, format: first.found });
  const [firstTime = info.modified] = timesOf(head.bytes, timeOf);
  return { path, firstTime, modified: info.modified, size: info.size };
}

/** Standard input, which ends when `signal` aborts: a terminal or pipe may never end by itself. */
async function* standardInput(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = Deno.stdin.readable.getReader();
  const stop = () => void reader.cancel();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (let read = await reader.read(); !read.done && !signal.aborted; read = await reader.read()) yield read.value;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
