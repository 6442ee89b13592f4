// `run --once --file-path -`: standard input as a log file. It is first written to the data folder, because a pipe cannot be read again
// after a stop.
import { UsageError } from "../../shared/errors.ts";
import type { Settings } from "../../shared/config/settings.ts";
import type { CommandContext } from "../command.ts";

const NAME = "standard-input.log";

const readsStandardInput = ({ SOURCE, FILE_PATH }: Pick<Settings, "SOURCE" | "FILE_PATH">): boolean =>
  SOURCE === "file" && FILE_PATH !== undefined && FILE_PATH.includes("-");

/**
 * The context with a file in place of `-`: all of standard input, in DATA_DIR, whose lock the caller holds. The input of the last run is kept
 * like a rotated file, so that the same input is recognised and only its new part is read.
 *
 * @throws UsageError if FILE_PATH names more than `-`, or the run has no end
 */
export async function withStandardInput<C extends Pick<CommandContext, "settings" | "log" | "signal">>(
  context: C,
  once: boolean,
): Promise<C> {
  const { settings, log, signal } = context;
  if (!readsStandardInput(settings)) return context;
  if (!once || settings.FILE_PATH!.length > 1) {
    throw new UsageError(
      ["Standard input (--file-path -) needs `run --once`, and cannot be combined with other paths."],
      "Add --once, or let the server write to a file.",
      "no_file",
    );
  }
  const path = `${settings.DATA_DIR}/${NAME}`, part = `${path}.part`;
  const file = await Deno.open(part, { create: true, write: true, truncate: true });
  log.info("reading standard input into a file, which is then read", { file: path });
  await Deno.stdin.readable.pipeTo(file.writable, { signal });
  const { size } = await Deno.stat(part);
  if (size === 0) {
    await Deno.remove(part);
    throw new UsageError(["Standard input is empty."], "Check the command before the pipe.", "no_file");
  }
  await renamed(path, `${path}.1`);
  await Deno.rename(part, path);
  return { ...context, settings: { ...settings, FILE_PATH: [path], FILE_LAST_LINE: "take" } };
}

async function renamed(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
