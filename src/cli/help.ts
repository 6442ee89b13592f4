// The pages of `tidemark --help` and `tidemark COMMAND --help`, from the tables of commands, flags and settings. No I/O.
import type { Kind } from "../shared/config/kinds.ts";
import { EXIT, EXIT_MEANING } from "../shared/errors.ts";
import {
  flagOf,
  SETTING_GROUP_NAMES,
  SETTING_GROUPS,
  type SettingGroup,
  settingOf,
  settingsOf,
} from "../shared/config/settings.ts";
import { type Command, type CommandEntry, ENV_FILE } from "./command.ts";

/** Columns of a page if the terminal's are not known; also the most. */
const WIDTH = 100;
/** With fewer columns, flags and texts do not fit beside each other. */
const WIDTH_MIN = 60;
/** The text of a longer flag is on the next line. */
const FLAG_WIDTH_MAX = 34;

const widthOf = (columns: number | undefined) => Math.max(WIDTH_MIN, Math.min(WIDTH, columns ?? WIDTH));

/** @param columns of the terminal */
export function renderHelp(commands: Readonly<Record<string, CommandEntry>>, columns?: number): string {
  const width = widthOf(columns);
  return [
    ...wrap(
      "Tidemark counts web traffic from Kafka by place in five-minute windows, exactly once, in PostgreSQL.",
      0,
      width,
    ),
    "",
    "Usage: tidemark COMMAND [FLAGS] [WORDS]",
    "       tidemark COMMAND --help",
    "       tidemark --version",
    "",
    "Commands",
    ...rows(Object.entries(commands).map(([name, { summary }]) => [name, summary]), width),
    "",
    "Settings",
    ...wrap(
      "Each setting is a flag (--kafka-url), an environment variable (KAFKA_URL) and a line of a settings file " +
        "(--env-file stream.env). A flag takes precedence over the environment, that over the file, that over the default. " +
        "Secrets and certificates can be read from a file: API_TOKEN_FILE=/run/secrets/token.",
      2,
      width,
    ),
    "",
    ...exitCodes(width),
  ].join("\n");
}

/** @param columns of the terminal */
export function renderCommandHelp(name: string, summary: string, command: Command, columns?: number): string {
  const width = widthOf(columns);
  const own = Object.entries(command.flags).filter(([, { hidden }]) => !hidden).map((
    [flag, { kind, doc, default: value }],
  ): readonly [string, string] => [
    written(`--${flag}`, kind),
    `${doc}${value === undefined ? "" : ` [${value}]`}`,
  ]);
  own.push(
    ["--env-file <path>", ENV_FILE],
    ["-h, --help", "This page."],
  );
  const groups = SETTING_GROUP_NAMES.filter((group) => command.groups.includes(group));
  return [
    `Usage: tidemark ${name} [FLAGS]${command.usage === "" ? "" : ` ${command.usage}`}`,
    "",
    ...`${summary}. ${command.description ?? ""}`.trimEnd().split("\n").flatMap((line) =>
      wrap(line.trimEnd(), 0, width)
    ),
    "",
    "Flags",
    ...rows(own, width),
    ...groups.flatMap((group) => ["", SETTING_GROUPS[group], ...rows(settingRows(group, command), width)]),
    "",
    ...exitCodes(width),
  ].join("\n");
}

function settingRows(group: SettingGroup, command: Command): readonly (readonly [string, string])[] {
  return settingsOf(group).map((name) => {
    const { kind, doc, alias, default: value, defaultNote } = settingOf(name);
    const known = defaultNote ?? value;
    const short = alias === undefined || Object.hasOwn(command.flags, alias) ? "" : `--${alias}, `;
    return [written(`${short}${flagOf(name)}`, kind), `${doc}${known === undefined ? "" : ` [${known}]`}`];
  });
}

const written = (flag: string, kind: Kind<unknown>) =>
  kind.placeholder === "" ? flag.replace("--", "--[no-]") : `${flag} ${kind.placeholder}`;

function exitCodes(width: number): readonly string[] {
  const meanings = Object.entries(EXIT_MEANING) as [keyof typeof EXIT, string][];
  return ["Exit codes", ...rows(meanings.map(([name, meaning]) => [String(EXIT[name]), meaning]), width)];
}

/** Two columns, the second wrapped. */
function rows(pairs: readonly (readonly [string, string])[], columns: number): readonly string[] {
  const width = Math.min(FLAG_WIDTH_MAX, Math.max(...pairs.map(([left]) => left.length)));
  return pairs.flatMap(([left, right]) => {
    const lines = wrap(right, width + 4, columns);
    if (left.length > width) return [`  ${left}`, ...lines];
    return [`  ${left.padEnd(width)}  ${lines[0]?.trimStart() ?? ""}`, ...lines.slice(1)];
  });
}

/** Lines of at most `width` columns, each indented. A longer word is not split. */
function wrap(text: string, indent: number, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > width) {
      lines.push(" ".repeat(indent) + line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, " ".repeat(indent) + line];
}
