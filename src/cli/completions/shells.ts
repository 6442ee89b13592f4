// The completion scripts of bash, zsh and fish. Pure.
import type { CommandCompletion, FlagCompletion } from "./completion_tree.ts";

const GLOBAL = ["--help", "--version"];

/** Quotes for bash and zsh. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
/** Quotes for fish, where a backslash escapes itself and the quote. */
const fishQuoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
const dashed = ({ name }: FlagCompletion) => `--${name}`;
const listed = ({ values }: FlagCompletion) => values !== null && values.length > 0;
const isOpen = (flag: FlagCompletion) => flag.values !== null && !listed(flag) && !flag.isPath;

export const SCRIPTS = { bash, zsh, fish } as const;

function bash(commands: readonly CommandCompletion[]): string {
  const values = commands.flatMap(({ name, flags }) => [
    ...flags.filter(listed).map((flag) =>
      `    ${quoted(`${name} ${dashed(flag)}`)}) COMPREPLY=($(compgen -W ${
        quoted(flag.values!.join(" "))
      } -- "$cur")); return ;;`
    ),
    ...grouped(name, flags.filter((flag) => flag.isPath), `compopt -o default 2>/dev/null; COMPREPLY=(); return`),
    ...grouped(name, flags.filter(isOpen), "COMPREPLY=(); return"),
  ]);
  return lines(
    "# Completion of tidemark for bash: source <(tidemark completions bash)",
    "_tidemark() {",
    `  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" command="" words="" i`,
    "  for ((i = 1; i < COMP_CWORD; i++)); do",
    '    [[ "${COMP_WORDS[i]}" == -* ]] || { command="${COMP_WORDS[i]}"; break; }',
    "  done",
    '  case "$command $prev" in',
    ...values,
    "  esac",
    '  case "$command" in',
    `    "") words=${quoted([...commands.map(({ name }) => name), ...GLOBAL].join(" "))} ;;`,
    ...commands.map(({ name, words, takesFiles, flags }) =>
      `    ${name})${takesFiles ? ` [[ "$cur" == -* ]] || compopt -o default 2>/dev/null;` : ""} words=${
        quoted([...words, ...flags.map(dashed)].join(" "))
      } ;;`
    ),
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    "}",
    "complete -F _tidemark tidemark",
  );
}

/** One case for all `flags` of a command. */
function grouped(name: string, flags: readonly FlagCompletion[], action: string): string[] {
  return flags.length === 0
    ? []
    : [`    ${flags.map((flag) => quoted(`${name} ${dashed(flag)}`)).join("|")}) ${action} ;;`];
}

function zsh(commands: readonly CommandCompletion[]): string {
  const values = commands.flatMap(({ name, flags }) => [
    ...flags.filter(listed).map((flag) =>
      `    ${quoted(`${name} ${dashed(flag)}`)}) compadd -- ${flag.values!.map(quoted).join(" ")}; return ;;`
    ),
    ...grouped(name, flags.filter((flag) => flag.isPath), "_files; return"),
    ...grouped(name, flags.filter(isOpen), "return"),
  ]);
  return lines(
    "#compdef tidemark",
    "# Completion of tidemark for zsh: tidemark completions zsh > FOLDER/_tidemark, a folder of $fpath",
    "_tidemark() {",
    "  local -a commands flags",
    '  local command="${words[2]}" previous="${words[CURRENT-1]}"',
    "  if (( CURRENT == 2 )); then",
    "    commands=(",
    ...commands.map(({ name, summary }) => `      ${quoted(`${name}:${summary}`)}`),
    "    )",
    "    _describe command commands",
    `    [[ "\${words[CURRENT]}" != -* ]] || compadd -- ${GLOBAL.join(" ")}`,
    "    return",
    "  fi",
    '  case "$command $previous" in',
    ...values,
    "  esac",
    '  case "$command" in',
    ...commands.flatMap(({ name, words, takesFiles, flags }) => [
      `    ${name})`,
      "      flags=(",
      ...flags.map((flag) => `        ${quoted(`${dashed(flag)}:${flag.doc}`)}`),
      "      )",
      ...(words.length === 0 ? [] : [`      [[ "\${words[CURRENT]}" == -* ]] || compadd -- ${words.join(" ")}`]),
      ...(takesFiles ? ['      [[ "${words[CURRENT]}" == -* ]] || _files'] : []),
      "      ;;",
    ]),
    "  esac",
    "  _describe -o flag flags",
    "}",
    // zsh calls it as a file of $fpath, or a user sources it.
    'if [[ "${funcstack[1]}" == _tidemark ]]; then _tidemark "$@"; else compdef _tidemark tidemark; fi',
  );
}

function fish(commands: readonly CommandCompletion[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  return lines(
    "# Completion of tidemark for fish: tidemark completions fish > ~/.config/fish/completions/tidemark.fish",
    "complete -c tidemark -f",
    `complete -c tidemark -n ${fishQuoted(`not __fish_seen_subcommand_from ${names}`)} -l help -d ${
      fishQuoted("All commands.")
    }`,
    `complete -c tidemark -n ${fishQuoted(`not __fish_seen_subcommand_from ${names}`)} -l version -d Version`,
    ...commands.flatMap(({ name, summary, words, takesFiles, flags }) => {
      const after = `-n ${fishQuoted(`__fish_seen_subcommand_from ${name}`)}`;
      return [
        `complete -c tidemark -n ${fishQuoted(`not __fish_seen_subcommand_from ${names}`)} -a ${name} -d ${
          fishQuoted(summary)
        }`,
        ...words.map((word) => `complete -c tidemark ${after} -a ${word}`),
        ...(takesFiles ? [`complete -c tidemark ${after} -F`] : []),
        ...flags.map((flag) => {
          const value = flag.values === null
            ? ""
            : flag.isPath
            ? " -r -F"
            : listed(flag)
            ? ` -x -a ${fishQuoted(flag.values.join(" "))}`
            : " -x";
          return `complete -c tidemark ${after} -l ${flag.name}${value} -d ${fishQuoted(flag.doc)}`;
        }),
      ];
    }),
  );
}

const lines = (...all: readonly string[]) => all.join("\n");
