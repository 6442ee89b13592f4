// What a subcommand is, and what it is given to work with. No I/O.
import type { ProcessContext } from "../app/context.ts";
import type { Kind, KindValue } from "../shared/config/kinds.ts";
import { type ExitCode, UsageError } from "../shared/errors.ts";
import type { SettingGroup } from "../shared/config/settings.ts";

/** A flag that belongs to one command alone and is not a setting. Its name is the key, in kebab-case and without dashes. */
interface Flag {
  readonly kind: Kind<unknown>;
  /** As a user would write it. Booleans are false without one; others are `undefined`. */
  readonly default?: string;
  readonly doc: string;
  /** Kept for scripts that use it, and left out of the help. */
  readonly hidden?: true;
}
type FlagTable = Readonly<Record<string, Flag>>;

/** The values of a flag table. */
type FlagValues<F extends FlagTable> = {
  readonly [N in keyof F]:
    | KindValue<F[N]["kind"]>
    | (F[N] extends { readonly default: string } ? never : KindValue<F[N]["kind"]> extends boolean ? never : undefined);
};

/** What every command gets. */
export interface CommandContext<F extends FlagTable = FlagTable> extends ProcessContext {
  /** The command's own flags. */
  readonly flags: FlagValues<F>;
  /** Words that are neither flags nor values of flags. */
  readonly positionals: readonly string[];
  /**
   * Writes a result line for people to standard output; a reader that went away is not an error. Control characters are replaced (line ends,
   * tabs and our colours are kept), so a field that others filled goes through `printable` first: its line ends would be kept.
   */
  readonly out: (line: string) => void;
  /** Writes data for programs (CSV, JSON) to standard output, unchanged unless that is a terminal. */
  readonly data: (text: string) => void;
  /** Resolves when all results are written, `false` where the reader went away: await it now and then while writing many. */
  readonly drained: () => Promise<boolean>;
  /** Writes a line for people to standard error. */
  readonly err: (line: string) => void;
  /** Replaces the current line of standard error; does nothing where that is not a terminal. */
  readonly progress: (line: string) => void;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Columns of that terminal; undefined where there is none, or it does not say. */
  readonly columns: number | undefined;
  /** All commands of the program. */
  readonly commands: Readonly<Record<string, CommandEntry>>;
  /** Whether colour may be used on standard output: a terminal without NO_COLOR. */
  readonly colour: boolean;
}

/** A subcommand. Each module in this folder that is one exports it as `command`. */
export interface Command<F extends FlagTable = FlagTable> {
  /** What follows the name: `[FILE…]`; empty where nothing may. The name and the summary are in `commands.ts`. */
  readonly usage: string;
  /** More for the command's own help. */
  readonly description?: string;
  /** Groups of settings that it uses: only their flags are accepted. */
  readonly groups: readonly SettingGroup[];
  readonly flags: F;
  /** @param args the positional words, as in `context.positionals` */
  run(args: readonly string[], context: CommandContext<F>): Promise<ExitCode>;
}

/** A subcommand before its module is loaded. */
export interface CommandEntry {
  /** One line for `tidemark --help`. */
  readonly summary: string;
  /** A literal specifier, so that `deno compile` finds the module. */
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** A flag of a command: `wait: flag(duration(0, HOUR), { default: "60s", doc: "…" })`. */
export function flag<T, const S extends Omit<Flag, "kind">>(kind: Kind<T>, spec: S): S & { readonly kind: Kind<T> } {
  return { kind, ...spec };
}

/** Keeps the types of the flags inside `run`, and forgets them outside. */
export function defineCommand<const F extends FlagTable>(command: Command<F>): Command {
  return command;
}

/** The refusal of words or flags that do not fit the command. */
export function badArguments(command: string, ...problems: readonly string[]): UsageError {
  return new UsageError(problems, `See \`tidemark ${command} --help\`.`, "bad_arguments");
}
