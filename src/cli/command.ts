// The type of a subcommand and of its context. No I/O.
import type { ProcessContext } from "../app/context.ts";
import { duration, type Kind, type KindValue } from "../shared/config/kinds.ts";
import { type ExitCode, UsageError } from "../shared/errors.ts";
import type { SettingGroup } from "../shared/config/settings.ts";
import { HOUR } from "../shared/units.ts";

/** A flag of one command that is not a setting. Its key is its name, in kebab-case and without dashes. */
interface Flag {
  readonly kind: Kind<unknown>;
  /** As a user would write it. Without one, booleans are false and others `undefined`. */
  readonly default?: string;
  readonly doc: string;
  /** Left out of the help; kept for scripts that use it. */
  readonly hidden?: true;
}
type FlagTable = Readonly<Record<string, Flag>>;

/** The values of a flag table. */
type FlagValues<F extends FlagTable> = {
  readonly [N in keyof F]:
    | KindValue<F[N]["kind"]>
    | (F[N] extends { readonly default: string } ? never : KindValue<F[N]["kind"]> extends boolean ? never : undefined);
};

export interface CommandContext<F extends FlagTable = FlagTable> extends ProcessContext {
  /** The command's own flags. */
  readonly flags: FlagValues<F>;
  /**
   * Writes a line for people to standard output. Control characters are replaced, except line ends, tabs and our colours; so pass fields
   * with foreign content through `printable` first. A closed output is not an error.
   */
  readonly out: (line: string) => void;
  /** Writes data for programs (CSV, JSON) to standard output, unchanged unless that is a terminal. */
  readonly data: (text: string) => void;
  /** Resolves when all results are written; `false` if the output is closed. Await it now and then while writing much. */
  readonly drained: () => Promise<boolean>;
  /** Writes a line for people to standard error. */
  readonly err: (line: string) => void;
  /** Replaces the current line of standard error, if that is a terminal. */
  readonly progress: (line: string) => void;
  /** Whether standard error is a terminal, so that `progress` shows something. */
  readonly errIsTerminal: boolean;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Columns of that terminal, if known. */
  readonly columns: number | undefined;
  readonly commands: Readonly<Record<string, CommandEntry>>;
  /** Whether colour may be used on standard output: a terminal without NO_COLOR. */
  readonly colour: boolean;
}

/** A subcommand. Its module exports it as `command`. */
export interface Command<F extends FlagTable = FlagTable> {
  /** Arguments after the name, such as `[FILE…]`; empty for none. The name and the summary are in `commands.ts`. */
  readonly usage: string;
  /** More text for the command's own help. */
  readonly description?: string;
  /** Groups of settings that it uses; only their flags are accepted. */
  readonly groups: readonly SettingGroup[];
  readonly flags: F;
  /** @param args words that are neither flags nor values of flags */
  run(args: readonly string[], context: CommandContext<F>): Promise<ExitCode>;
}

/** A subcommand before its module is loaded. */
export interface CommandEntry {
  /** One line for `tidemark --help`. */
  readonly summary: string;
  /** Imports the module by a literal specifier, so that `deno compile` finds it. */
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** A flag of a command: `wait: flag(duration(0, HOUR), { default: "60s", doc: "…" })`. */
export function flag<T, const S extends Omit<Flag, "kind">>(kind: Kind<T>, spec: S): S & { readonly kind: Kind<T> } {
  return { kind, ...spec };
}

/** The flag `--env-file`, which all commands have, in words. */
export const ENV_FILE = "Settings file; the environment and flags take precedence over it.";

/** How long a command tries to reach a server. */
export const WAIT = flag(duration(0, HOUR), { default: "60s", doc: "How long to wait for an absent server." });

/** Types `run` by the command's flags. */
export function defineCommand<const F extends FlagTable>(command: Command<F>): Command {
  return command;
}

export function badArguments(command: string, ...problems: readonly string[]): UsageError {
  return new UsageError(problems, `See \`tidemark ${command} --help\`.`, "bad_arguments");
}
