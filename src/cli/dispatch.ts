// Runs the command that the words name: help, version, arguments, settings, context. I/O only through the host.
import { systemClock } from "../shared/clock.ts";
import { loadSettings } from "../shared/config/load.ts";
import { suggestion } from "../shared/config/suggest.ts";
import { EXIT, type ExitCode, messageOf, UsageError } from "../shared/errors.ts";
import { createLog } from "../shared/log.ts";
import { printable, printableLines } from "../shared/printable.ts";
import { VERSION } from "../shared/version.ts";
import { type Arguments, parseArguments } from "./args.ts";
import type { Command, CommandContext, CommandEntry } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { describeFailure, type Failure } from "../shared/failure.ts";
import { renderCommandHelp, renderHelp } from "./help.ts";
import type { Host } from "./host.ts";

/** Runs the command and resolves with its exit code. Prints all errors to standard error; never rejects. */
export async function dispatch(
  words: readonly string[],
  host: Host,
  commands: Readonly<Record<string, CommandEntry>> = COMMANDS,
): Promise<ExitCode> {
  let context: CommandContext | undefined;
  try {
    const [name = "", ...rest] = words;
    if (["--version", "-V", "version"].includes(name)) return host.out.line(`tidemark ${VERSION}`), EXIT.ok;
    if (["--help", "-h"].includes(name) || (name === "help" && rest.length === 0)) {
      return host.out.line(renderHelp(commands, host.columns)), EXIT.ok;
    }
    if (name === "") return host.err.line(renderHelp(commands, host.columns)), EXIT.usage;
    const [called, args] = name === "help" ? [rest[0]!, ["--help"]] : [name, rest];
    const entry = Object.hasOwn(commands, called) ? commands[called] : undefined;
    if (entry === undefined) {
      const hint = suggestion(called, Object.keys(commands));
      throw new UsageError([`${called} is not a command${hint}`], "Run `tidemark --help` for the list of commands.");
    }
    const { command } = await entry.load();
    const parsed = parseArguments(called, command, args);
    if (parsed.help) return host.out.line(renderCommandHelp(called, entry.summary, command, host.columns)), EXIT.ok;
    context = createContext(command, parsed, host, commands);
    return await command.run(parsed.positionals, context);
  } catch (error) {
    const failure = describeFailure(error);
    tell(failure, host, context);
    return failure.exitCode;
  }
}

/** Loads the settings and makes the context of the command. @throws UsageError */
function createContext(
  command: Command,
  parsed: Arguments,
  host: Host,
  commands: CommandContext["commands"],
): CommandContext {
  const problems = [...parsed.problems];
  const loaded = loadSettings({
    flags: parsed.settings,
    env: host.env,
    file: readSettingsFile(parsed.envFile, host, problems),
    readFile: host.readFile,
    instanceId: host.instanceId,
    groups: command.groups,
    problems,
  });
  const { settings } = loaded;
  const log = createLog({
    level: settings.LOG_LEVEL,
    format: settings.LOG_FORMAT === "auto" ? (host.errIsTerminal ? "text" : "json") : settings.LOG_FORMAT,
    colour: host.errIsTerminal && !host.noColour,
    write: host.err.line,
    now: systemClock.now,
  });
  for (const notice of loaded.notices) log.warn(notice);
  return {
    ...loaded,
    flags: parsed.flags as CommandContext["flags"],
    out: (line) => host.out.line(printableLines(line)),
    // A file or another program gets the data unchanged.
    data: host.outIsTerminal ? (text) => host.out.line(printableLines(text.replaceAll("\r\n", "\n"))) : host.out.line,
    drained: async () => {
      await host.out.flush();
      return !host.out.closed;
    },
    err: (line) => host.err.line(printableLines(line)),
    progress: host.errIsTerminal ? (line) => host.err.progress(printable(line)) : () => {},
    errIsTerminal: host.errIsTerminal,
    isTerminal: host.outIsTerminal,
    columns: host.columns,
    commands,
    colour: host.outIsTerminal && !host.noColour,
    bundledPlaces: host.bundledPlaces,
    log,
    clock: systemClock,
    signal: host.listenForSignals(),
  };
}

function readSettingsFile(path: string | undefined, host: Host, problems: string[]) {
  if (path === undefined) return undefined;
  try {
    return { path, content: host.readFile(path) };
  } catch (error) {
    problems.push(`--env-file cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

/** Prints a failure: as one JSON line if logs are JSON, so that a collector can parse it; otherwise, and for wrong arguments, as text. */
function tell(failure: Failure, host: Host, context: CommandContext | undefined): void {
  const { code, exitCode } = failure;
  const lines = failure.lines.map(printable), action = printable(failure.action);
  const json = context?.settings.LOG_FORMAT === "json" ||
    (context?.settings.LOG_FORMAT === "auto" && !host.errIsTerminal);
  if (context && json && exitCode !== EXIT.usage) {
    context.log.error(lines.join("\n"), { error: code, action, exit_code: exitCode });
  } else if (lines.length === 1) host.err.line(`tidemark: ${code}: ${lines[0]}\n${action}`);
  else host.err.line([`tidemark: ${code}:`, ...lines.map((line) => `  ${line}`), action].join("\n"));
}
