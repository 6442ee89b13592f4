// The named errors of a log's files: what is wrong, and what an operator can do. Pure.
import { resolve } from "node:path";
import { messageOf, StreamStopped, Unavailable, UsageError } from "../../shared/errors.ts";
import { isGlob } from "./names.ts";

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
    `${path} is not there, and no newer file of the log is`,
    "Put the file back under its name or a rotated one; reading goes on by itself.",
  );
}

/** A compressed file ends in the middle. Ends the stream: what is missing is unknown. */
export function damaged(path: string, cause?: unknown): StreamStopped {
  return new StreamStopped(
    "source_refused",
    `${path} is a compressed file that is cut off or damaged`,
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

/** What was read is no longer in the file where it was read. Ends the stream: reading it again would count it twice. */
export function changed(path: string): StreamStopped {
  return new StreamStopped(
    "data_gap",
    `${path}: the part that was already read has been changed, so it is not known what is new`,
    "Put the file back as it was and start again; or skip all that it holds now with `tidemark resume --accept-gap`.",
  );
}

/** The path names something that cannot be a log file. */
export function notAFile(path: string, kind: "folder" | "other"): UsageError {
  return kind === "folder"
    ? new UsageError(
      [`${path} is a folder, not a log file.`],
      "Name the file in it, or give a pattern in quotes, such as '/var/log/nginx/access.log*'.",
      "no_file",
    )
    : new UsageError(
      [`${path} is a device or a pipe, not a log file: it cannot be read again after a restart.`],
      "Let the server write to a file (official images link their logs to /dev/stdout), or put what the pipe gives into one.",
      "no_file",
    );
}

/** The patterns name more logs than a stream may have. */
export function tooManyLogs(found: number, most: number): StreamStopped {
  return new StreamStopped(
    "source_refused",
    `The pattern names ${found} logs, each with a name of its own; a stream may have ${most}`,
    "Name fewer logs, or give the files of one log names that differ only by a date.",
  );
}

/** There is no file at a path or pattern that is to be read once. */
export function noFile(path: string): UsageError {
  return new UsageError(
    [`There is no file at ${path}${path.startsWith("/") ? "" : ` (from the folder ${resolve(".")})`}.`],
    isGlob(path)
      ? "Check the pattern, and quote it so that the shell does not expand it."
      : "Check the path (FILE_PATH or --file-path), and mount the log folder where a container runs this.",
    "no_file",
  );
}
