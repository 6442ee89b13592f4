// The settings table in docs/configuration.md, README.md and docker-compose.yml. No I/O.
import { EXIT, EXIT_MEANING } from "../src/shared/errors.ts";
import {
  ENVIRONMENT_NAMES,
  SETTING_GROUP_NAMES,
  SETTING_GROUPS,
  SETTING_NAMES,
  type SettingName,
  settingOf,
} from "../src/shared/config/settings.ts";
import { table } from "./docs_table.ts";

/** docs/configuration.md. */
export function renderConfigurationPage(): string {
  const lines = [
    "# Configuration",
    "",
    "Made by `deno task docs` from `src/shared/config/settings.ts`.",
    "",
    "Every setting is an environment variable (`KAFKA_URL`), a flag of the commands that use it (`--kafka-url`) and a line of",
    "a settings file (`--env-file stream.env`). A flag takes precedence over the environment, that over the settings file,",
    "that over the default. An empty value means the default. `tidemark config` prints the values in effect and their",
    "origins.",
    "",
    "- **Durations** are whole numbers with `ms`, `s`, `m`, `h` or `d`; without a unit they are milliseconds.",
    "- **Sizes** are whole numbers with `B`, `KiB`, `MiB` or `GiB`; without a unit they are bytes.",
    "- **Secrets and certificates** (marked ⁺) can be read from a file: `API_TOKEN_FILE=/run/secrets/token`. Their values are",
    "  never shown. As a flag they are visible in the list of processes.",
    "- **Mistakes** are reported all at once with exit code 2: bad values, settings that contradict each other, unknown",
    "  flags, unknown lines of the settings file, and variables that are one letter away from a setting's name.",
    '- In the settings file a value may be in single quotes (unchanged) or in double quotes (`\\n`, `\\"` and `\\\\` are',
    "  escapes). `${…}` is not replaced.",
  ];
  for (const group of SETTING_GROUP_NAMES) {
    lines.push(
      "",
      `## ${SETTING_GROUPS[group]}`,
      "",
      ...table(
        ["Setting", "Value", "Default", "Meaning"],
        SETTING_NAMES.filter((name) => settingOf(name).group === group).map(settingCells),
      ),
    );
  }
  lines.push(
    "",
    "## Exit codes",
    "",
    ...table(
      ["Code", "Meaning"],
      (Object.entries(EXIT_MEANING) as [keyof typeof EXIT, string][]).map((
        [name, meaning],
      ) => [String(EXIT[name]), meaning]),
    ),
  );
  return `${lines.join("\n")}\n`;
}

/** The table of README.md: names, defaults and one sentence each. */
export function renderReadmeTable(): string {
  const rows = SETTING_NAMES.map((name) => {
    const { doc, default: value, defaultNote } = settingOf(name);
    return [`\`${name}\``, value === undefined ? defaultNote ?? "" : `\`${value}\``, doc];
  });
  return table(["Setting", "Default", "Meaning"], rows).join("\n");
}

function settingCells(name: SettingName): readonly string[] {
  const { kind, doc, fromFile, alias, default: value, defaultNote } = settingOf(name);
  const known = value === undefined ? defaultNote ?? "unset" : `\`${value}\``;
  const short = alias === undefined ? "" : ` Short flag: \`--${alias}\`.`;
  return [
    `\`${name}\`${fromFile ? "⁺" : ""}`,
    kind.grammar.replace(/^an? /, ""),
    value !== undefined && defaultNote !== undefined ? defaultNote : known,
    `${doc}${short}`,
  ];
}

/** docker-compose.yml sets these itself, because they differ inside its network. */
const INSIDE_COMPOSE: ReadonlySet<string> = new Set([
  "KAFKA_URL",
  "POSTGRES_URL",
  "POSTGRES_URL_FILE",
  "DATA_DIR",
  "HTTP_HOST",
  "HTTP_PORT",
  "API_PUBLIC",
  "LOG_FORMAT",
]);

/** The settings that docker-compose.yml passes to our containers. One that is not given is empty there, which means the default. */
export function renderComposeSettings(): string {
  const names = ENVIRONMENT_NAMES.filter((name) => {
    const setting = SETTING_NAMES.find((known) => known === name || `${known}_FILE` === name)!;
    return !INSIDE_COMPOSE.has(name) && !["compose", "legacy"].includes(settingOf(setting).group);
  });
  return ["x-settings: &settings", ...names.map((name) => `  ${name}: \${${name}-}`)].join("\n");
}
