// The words after a command's name: settings' flags, the command's own, and the rest. No I/O.
// No library: flags, help, environment and documentation come from one table of settings.
import { parseArgs } from "node:util";
import { parseValue } from "../shared/config/kinds.ts";
import { suggestion } from "../shared/config/suggest.ts";
import { flagOf, SETTING_NAMES, type SettingName, settingOf } from "../shared/config/settings.ts";
import type { Command } from "./command.ts";

/** What the words say. Nothing in it is checked against other sources of settings yet. */
export interface Arguments {
  /** Values by the setting's name or its `_FILE` form: what `loadSettings` takes. */
  readonly settings: ReadonlyMap<string, string>;
  /** Values of the command's own flags, defaults included. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
  readonly envFile: string | undefined;
  readonly help: boolean;
  readonly problems: readonly string[];
}

/** Where a flag's value goes. */
interface Target {
  readonly boolean: boolean;
  readonly set: (text: string) => void;
}

/** Reads the words after `name`. Never throws: what is wrong with them joins the other problems. */
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
    // A flag in the place of a value means that the value was forgotten; `--flag=--x` still says what it says.
    else if (token.value === undefined || (!token.inlineValue && token.value.startsWith("--"))) {
      problems.push(`${token.rawName} needs a value`);
    } else target.set(token.value);
  }
  // Behind a mistyped flag the word is its value, and may be a secret.
  if (command.usage === "" && positionals.length > 0 && !help && !unknown) {
    problems.push(`tidemark ${name} takes no words: ${JSON.stringify(positionals[0]!.slice(0, 80))}`);
  }
  return { settings, flags, positionals, envFile, help, problems };
}

/** Settings' names (and `_FILE` forms) with their flags, without dashes, as far as the command uses them. */
function settingFlags(command: Command): readonly (readonly [string, string])[] {
  return SETTING_NAMES.filter((name) => command.groups.includes(settingOf(name).group)).flatMap((name) => {
    const { alias, fromFile } = settingOf(name);
    return [
      [name, flagOf(name).slice(2)] as const,
      ...(fromFile ? [[`${name}_FILE`, flagOf(`${name}_FILE`).slice(2)] as const] : []),
      ...(alias ? [[name, alias] as const] : []),
    ];
  });
}

function isBoolean(name: string): boolean {
  return SETTING_NAMES.includes(name as SettingName) && settingOf(name as SettingName).kind.placeholder === "";
}

/** Whether a flag that is given again adds to what was given before. */
function repeats(name: string): boolean {
  return SETTING_NAMES.includes(name as SettingName) && settingOf(name as SettingName).kind.repeats === true;
}

function unknownFlag(command: string, rawName: string, targets: ReadonlyMap<string, unknown>): string {
  const elsewhere = SETTING_NAMES.some((name) => flagOf(name) === rawName || flagOf(`${name}_FILE`) === rawName);
  if (elsewhere) return `${rawName} is not used by tidemark ${command}`;
  return `${rawName} is not a flag of tidemark ${command}${
    suggestion(rawName, [...targets.keys()].map((flag) => `--${flag}`))
  }`;
}
