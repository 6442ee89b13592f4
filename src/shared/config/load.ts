// Makes typed settings from flags, environment, settings file and defaults, or reports all problems at once. No I/O: the caller reads.
import { parseSettingsFile } from "./file.ts";
import { parseValue } from "./kinds.ts";
import { showPostgresUrl } from "./postgres.ts";
import { relationNotices, relationProblems } from "./relations.ts";
import { nearest, suggestion } from "./suggest.ts";
import { messageOf, UsageError } from "../errors.ts";
import {
  ENVIRONMENT_NAMES,
  flagOf,
  isSettingName,
  SETTING_GROUP_NAMES,
  SETTING_NAMES,
  type SettingGroup,
  type SettingName,
  settingOf,
  type Settings,
} from "./settings.ts";

/** The environment, within the permissions of the process. */
export interface Environment {
  /** The variable's value; `undefined` if it is unset or may not be read. */
  get(name: string): string | undefined;
  /** Names of all variables; empty if they may not be listed. */
  names(): readonly string[];
}

/** All sources of settings. */
export interface LoadInputs {
  /** Values of flags by the name of the setting, or by its `_FILE` form. */
  readonly flags: ReadonlyMap<string, string>;
  readonly env: Environment;
  /** The settings file, if one was given. */
  readonly file?: { readonly path: string; readonly content: string } | undefined;
  /** Reads the file that a `_FILE` setting names. Throws with a reason. */
  readonly readFile: (path: string) => string;
  /** Default of INSTANCE_ID. */
  readonly instanceId: string;
  /** Groups that the command uses; relations between other settings are not checked. Default: all. */
  readonly groups?: readonly SettingGroup[];
  /** Problems in the arguments, to be reported together with the others. */
  readonly problems?: readonly string[];
}

/** Where a value came from. */
interface SettingSource {
  readonly from: "default" | "environment" | "settings file" | "flag";
  /** The name that was used: the setting's own, its `_FILE` form, or its flag; empty for defaults. */
  readonly as: string;
  /** The text as given; empty if unset. Never show that of a secret. */
  readonly text: string;
}

/** Typed settings with their origins. */
export interface LoadedSettings {
  readonly settings: Settings;
  readonly sources: Readonly<Record<SettingName, SettingSource>>;
  /** Lines to log once at start. */
  readonly notices: readonly string[];
}

/** Variables of other programs whose names differ from ours by one edit. */
const FOREIGN: ReadonlySet<string> = new Set(["HTTPS_HOST", "HTTPS_PORT"]);

/** A shorter name may belong to another program (`SOURCES`, `WORKER`). */
const NEAR_MISS_LENGTH_MIN = 8;

type Layer = (name: string) => { readonly value: string; readonly as: string } | undefined;

/**
 * Loads settings: a flag takes precedence over the environment, that over the settings file, that over the default. An empty value means the
 * default, so that a layer can undo the one below.
 *
 * @throws UsageError with all problems; no message holds the value of a secret. Caught by `main`, exit 2.
 */
export function loadSettings(inputs: LoadInputs): LoadedSettings {
  const problems = [...inputs.problems ?? [], ...unknownVariables(inputs.env)];
  const layers = [
    ["flag", (name) => given(inputs.flags.get(name), flagOf(name))],
    ["environment", (name) => given(inputs.env.get(name), name)],
    ["settings file", fileLayer(inputs.file, problems)],
  ] as const satisfies readonly (readonly [SettingSource["from"], Layer])[];

  const values: Record<string, unknown> = {};
  const sources: Record<string, SettingSource> = {};
  const invalid = new Set<SettingName>();
  const notices: string[] = [];
  for (const name of SETTING_NAMES) {
    const setting = settingOf(name);
    const found = findSource(name, layers, inputs, problems) ?? defaultSource(name, inputs);
    const { source } = found;
    sources[name] = source;
    values[name] = undefined;
    if (source.text !== "") {
      const parsed = parseValue(setting.kind, source.text);
      if (parsed.ok) values[name] = parsed.value;
      else {
        invalid.add(name);
        problems.push(`${source.as} ${parsed.problem}${current(name, source)}`);
      }
      if (setting.ignored !== undefined) notices.push(setting.ignored);
      if (setting.secret && source.from === "flag" && source.as === flagOf(name)) {
        notices.push(`${source.as} is visible in the list of processes; use ${name} or ${name}_FILE.`);
      }
    }
    if (found.unreadable !== undefined) {
      invalid.add(name);
      problems.push(found.unreadable);
    }
  }
  const settings = values as Settings;
  const groups = new Set(inputs.groups ?? SETTING_GROUP_NAMES);
  problems.push(...relationProblems(settings, groups, invalid));
  if (problems.length > 0) throw new UsageError(problems);
  notices.push(...relationNotices(settings, groups));
  return { settings, sources: sources as Record<SettingName, SettingSource>, notices };
}

function given(value: string | undefined, as: string) {
  return value === undefined ? undefined : { value, as };
}

interface Found {
  readonly source: SettingSource;
  /** Why the named file cannot be read. */
  readonly unreadable?: string;
}

function defaultSource(name: SettingName, inputs: LoadInputs): Found {
  const setting = settingOf(name);
  return { source: { from: "default", as: "", text: setting.computed ? inputs.instanceId : setting.default ?? "" } };
}

/** The highest layer that names the setting or its `_FILE` form; `undefined` without one, or if it is empty there. */
function findSource(
  name: SettingName,
  layers: readonly (readonly [SettingSource["from"], Layer])[],
  inputs: LoadInputs,
  problems: string[],
): Found | undefined {
  for (const [from, layer] of layers) {
    const direct = layer(name);
    const file = settingOf(name).fromFile ? layer(`${name}_FILE`) : undefined;
    if (direct?.value && file?.value) problems.push(`${direct.as} and ${file.as} are both given: remove one`);
    if (direct?.value) return { source: { from, as: direct.as, text: direct.value } };
    if (file?.value) {
      try {
        // Editors and `echo` end a file with a line break that is not part of a password.
        const text = inputs.readFile(file.value).replace(/\r?\n$/, "");
        return { source: { from, as: file.as, text } };
      } catch (error) {
        const unreadable = `${file.as} cannot be read: ${messageOf(error)}`;
        return { source: { from, as: file.as, text: "" }, unreadable };
      }
    }
    if (direct ?? file) return undefined;
  }
  return undefined;
}

/** `: current value is …`, unless the value may hold a secret. */
function current(name: SettingName, { as, text }: SettingSource): string {
  const hidden = settingOf(name).secret || settingOf(name).fromFile || as.endsWith("_FILE") || text.includes("@");
  return hidden ? "" : `: current value is ${JSON.stringify(text.slice(0, 200))}`;
}

/** The settings file as a layer; its own problems are added to `problems`. */
function fileLayer(file: LoadInputs["file"], problems: string[]): Layer {
  if (file === undefined) return () => undefined;
  const content = parseSettingsFile(file.content);
  problems.push(...content.problems.map((problem) => `${file.path} ${problem}`));
  const seen = new Map<string, { value: string; line: number }>();
  for (const { name, value, line } of content.lines) {
    const known = seen.get(name);
    if (known) problems.push(`${file.path} line ${line} repeats ${name} of line ${known.line}`);
    else if (!ENVIRONMENT_NAMES.includes(name)) {
      problems.push(`${file.path} line ${line}: ${name} is not a setting${suggestion(name, ENVIRONMENT_NAMES)}`);
    }
    seen.set(name, { value, line });
  }
  return (name) => given(seen.get(name)?.value, name);
}

/** Variables whose name differs by one edit from one of ours that is not set: probably misspelt. */
function unknownVariables(env: Environment): readonly string[] {
  return env.names().flatMap((name) => {
    if (name.length < NEAR_MISS_LENGTH_MIN || isSettingName(name) || ENVIRONMENT_NAMES.includes(name)) return [];
    const meant = FOREIGN.has(name) ? undefined : nearest(name, ENVIRONMENT_NAMES, 1);
    if (meant === undefined || env.get(meant) !== undefined) return [];
    return [
      `${name} in the environment is not a setting; did you mean ${meant}? (unset it if it belongs to another program)`,
    ];
  });
}

/** The text of a setting's value for people: `***` for secrets, `""` if unset. */
export function showSetting(name: SettingName, { settings, sources }: LoadedSettings): string {
  const { text } = sources[name];
  if (text === "") return "";
  if (settingOf(name).secret) return "***";
  if (name === "POSTGRES_URL") return settings.POSTGRES_URL === undefined ? "" : showPostgresUrl(settings.POSTGRES_URL);
  const first = text.trim().split("\n", 1)[0]!;
  return first === text.trim() ? text : `${first} …`;
}
