// What can be wrong with a log's files, as the named errors that an operator meets. Pure.
import { messageOf, StreamStopped, Unavailable } from "../../shared/errors.ts";

/** Whether the operating system says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return (error as { code?: unknown })?.code === "ENOENT";
}

/** A file of the log cannot be read now. Retried by the pipeline. */
export function unreadable(path: string, error: unknown): Unavailable {
  return new Unavailable(
    "file_unreadable",
    `Cannot read ${path}: ${messageOf(error)}`,
    "Give the process the right to read it; reading goes on by itself.",
    { cause: error },
  );
}

/** The file that is being read is not there. It may come back under this or a rotated name. */
export function missing(path: string): Unavailable {
  return new Unavailable(
    "file_missing",
    `${path} is not there, and nothing follows it`,
    "Put the file back under its name or a rotated one; reading goes on by itself.",
  );
}

/** A compressed file ends in the middle. Ends the stream: what is missing is unknown. */
export function damaged(path: string, cause?: unknown): StreamStopped {
  return new StreamStopped(
    "source_refused",
    `${path} is cut off or damaged gzip`,
    "Replace it by a whole copy and start again; or remove it and run `tidemark resume --accept-gap`.",
    { cause },
  );
}

/** Content that was not read yet is gone. Ends the stream: how many records it held is unknown. */
export function lost(path: string, what: string): StreamStopped {
  return new StreamStopped(
    "data_gap",
    `${path}: ${what}`,
    "Put the content back (a rotated copy will do) and start again; or accept the loss with `tidemark resume --accept-gap`.",
  );
}
