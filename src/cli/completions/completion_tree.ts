// What a shell can complete: commands, their words, flags and values of flags, from the tables of commands and settings. No I/O.
import type { Kind } from "../../shared/config/kinds.ts";
import { flagOf, settingOf, settingsOf } from "../../shared/config/settings.ts";
import { type Command, ENV_FILE } from "../command.ts";

export interface FlagCompletion {
  /** Without its dashes. */
  readonly name: string;
  readonly doc: string;
  /** Possible values; empty if they cannot be listed; null for a flag without a value. */
  readonly values: readonly string[] | null;
  /** Its value is a path. */
  readonly isPath: boolean;
}

export interface CommandCompletion {
  readonly name: string;
  readonly summary: string;
  /** Words that may follow the name. */
  readonly words: readonly string[];
  /** Files may follow. */
  readonly takesFiles: boolean;
  readonly flags: readonly FlagCompletion[];
}

export function completionOf(name: string, summary: string, command: Command): CommandCompletion {
  const own = Object.entries(command.flags).filter(([, { hidden }]) => !hidden)
    .map(([flag, { kind, doc }]) => flagCompletion(flag, kind, doc));
  const settings = settingsOf(...command.groups).flatMap((setting) => {
    const { kind, doc, fromFile } = settingOf(setting);
    const flag = flagOf(setting).slice(2);
    return [
      flagCompletion(flag, kind, doc),
      ...(fromFile ? [{ name: `${flag}-file`, doc: `File that holds ${setting}.`, values: [], isPath: true }] : []),
    ];
  });
  const known = new Set(own.map((flag) => flag.name));
  return {
    name,
    summary,
    words: [...new Set(command.usage.split(/[\s|]+/).filter((word) => /^[a-z][a-z-]*$/.test(word)))],
    takesFiles: /FILE/.test(command.usage),
    flags: [
      ...own,
      ...settings.filter((flag) => !known.has(flag.name)),
      { name: "env-file", doc: ENV_FILE, values: [], isPath: true },
      { name: "help", doc: "What the command does, and its flags.", values: null, isPath: false },
    ],
  };
}

function flagCompletion(name: string, { placeholder }: Kind<unknown>, doc: string): FlagCompletion {
  const values = placeholder === "" ? null : placeholder.split("|").filter((word) => /^[\w-]+$/.test(word));
  return { name, doc, values: values?.length === 1 ? [] : values, isPath: /path/.test(placeholder) };
}
