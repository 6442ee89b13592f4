// Parses the words after a command's name: flags of settings, flags of the command, other words. No I/O.
// No library: flags, help, environment and documentation come from one table of settings.
import { parseArgs } from "node:util";
import { parseValue } from "../shared/config/kinds.ts";
import { suggestion } from "../shared/config/suggest.ts";
import { flagOf, isSettingName, SETTING_NAMES, settingOf, settingsOf } from "../shared/config/settings.ts";
import type { Command } from "./command.ts";

export interface Arguments {
  /** Values by the setting's name or its `_FILE` form, for `loadSettings`. */
  readonly settings: ReadonlyMap<string, string>;
  /** Values of the command's own flags, defaults included. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
  readonly envFile: string | undefined;
  readonly help: boolean;
  readonly problems: readonly string[];
}

interface Target {
  readonly boolean: boolean;
  readonly set: (text: string) => void;
}

/** Parses the words after `name`. Never throws: problems are returned, to be reported with those of settings. */
export function parseArguments(name: string, command: Command, words: readonly string[]): Arguments {
  const settings = new Map<string, string>();
  const flags: Record<string, unknown> = {};
  const problems: string[] = [];
  const positionals: string[] = [];
  let envFile: string | undefined;
  let help = false;
  let unknown = false;

  const targets = new Map<string, Target>();
  for (const [setting, flag] of settingFlags(command)) {
    targets.set(flag, {
      boolean: isBoolean(setting),
      set: (text) =>
        void settings.set(
          setting,
          repeats(setting) && settings.has(setting) ? `${settings.get(setting)},${text}` : text,
        ),
    });
  }
  for (const [flag, { kind, default: value }] of Object.entries(command.flags)) {
    const boolean = kind.placeholder === "";
    const read = (text: string) => {
      const parsed = parseValue(kind, text);
      if (parsed.ok) flags[flag] = parsed.value;
      else problems.push(`--${flag} ${parsed.problem}: current value is ${JSON.stringify(text.slice(0, 200))}`);
    };
    if (value !== undefined || boolean) read(value ?? "false");
    targets.set(flag, { boolean, set: read });
  }
  targets.set("env-file", { boolean: false, set: (text) => void (envFile = text) });
  targets.set("help", { boolean: true, set: (text) => void (help = text === "true") });

  const { tokens } = parseArgs({
    args: [...words],
    strict: false,
    tokens: true,
    options: {
      ...Object.fromEntries(
        [...targets].map(([flag, { boolean }]) => [flag, { type: boolean ? "boolean" : "string" }]),
      ),
      help: { type: "boolean", short: "h" },
    },
  });
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const negated = token.name.startsWith("no-") ? targets.get(token.name.slice(3)) : undefined;
    const target = targets.get(token.name);
    if (target === undefined && negated?.boolean && token.value === undefined) negated.set("false");
    else if (target === undefined) {
      problems.push(unknownFlag(name, token.rawName, targets));
      unknown = true;
    } else if (target.boolean) target.set(token.value ?? "true");
    // A flag in the place of a value means that the value was forgotten. `--flag=--x` gives the value `--x`.
    else if (token.value === undefined || (!token.inlineValue && token.value.startsWith("--"))) {
      problems.push(`${token.rawName} needs a value`);
    } else target.set(token.value);
  }
  // A word behind a mistyped flag is probably its value, and may be a secret.
  if (command.usage === "" && positionals.length > 0 && !help && !unknown) {
    problems.push(`tidemark ${name} takes no arguments: ${JSON.stringify(positionals[0]!.slice(0, 80))}`);
  }
  return { settings, flags, positionals, envFile, help, problems };
}

/** Names of the settings that the command uses (and their `_FILE` forms), with their flags without dashes. */
function settingFlags(command: Command): readonly (readonly [string, string])[] {
  return settingsOf(...command.groups).flatMap((name) => {
    const { alias, fromFile } = settingOf(name);
    return [
      [name, flagOf(name).slice(2)] as const,
      ...(fromFile ? [[`${name}_FILE`, flagOf(`${name}_FILE`).slice(2)] as const] : []),
      ...(alias ? [[name, alias] as const] : []),
    ];
  });
}

function isBoolean(name: string): boolean {
  return isSettingName(name) && settingOf(name).kind.placeholder === "";
}

/** Whether a repeated flag adds to the value. */
function repeats(name: string): boolean {
  return isSettingName(name) && settingOf(name).kind.repeats === true;
}

function unknownFlag(command: string, rawName: string, targets: ReadonlyMap<string, unknown>): string {
  const elsewhere = SETTING_NAMES.some((name) => flagOf(name) === rawName || flagOf(`${name}_FILE`) === rawName);
  if (elsewhere) return `${rawName} is not used by tidemark ${command}`;
  return `${rawName} is not a flag of tidemark ${command}${
    suggestion(rawName, [...targets.keys()].map((flag) => `--${flag}`))
  }`;
}
