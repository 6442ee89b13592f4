// What shows that a file has changed since it was read, and what is too large to be read. Shell over the file system.
import { StreamStopped } from "../../shared/errors.ts";
import type { FileContent } from "./content.ts";
import { isMissing, unreadable } from "./errors.ts";
import type { FileSystem } from "./file_system.ts";
import type { LineReader } from "./line_reader.ts";
import { GENERATION_BYTES_MAX } from "./position.ts";

/** What was delivered last, and the position behind it. */
export type Delivered = Pick<LineReader, "last" | "position">;

/** Whether what was delivered last is still where it was: a file may be emptied and grow beyond it, with the same first lines. */
export async function holds(content: FileContent, { last, position }: Delivered): Promise<boolean> {
  return isSame(await content.reread(position - last.length, position), last);
}

/** Whether both hold the same bytes. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What changes whenever the file at `path` is written to. */
export async function stateOf(path: string, files: FileSystem): Promise<string> {
  try {
    const { identity, size, modified } = await files.info(path);
    return `${path} ${identity} ${size} ${modified}`;
  } catch (error) {
    if (isMissing(error)) return path;
    throw unreadable(path, error);
  }
}

/** @returns what ends a stream whose file does not fit into positions */
export function tooLarge(path: string): StreamStopped {
  return new StreamStopped(
    "source_refused",
    `${path} holds more than ${GENERATION_BYTES_MAX} bytes, the most that positions can tell apart in one file`,
    "Split the file (`split --line-bytes`), give the parts as a glob, and start a new stream.",
  );
}
