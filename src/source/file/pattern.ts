// One path of FILE_PATH: a file's name or a pattern, which may contain `{host}`. Pure.
import { dirname, join, resolve } from "node:path";
import { isGlob } from "./names.ts";

/** The word in a path that names the host. */
export const HOST = "{host}";
/** Most logs of a stream. Each takes a partition, so a pattern that makes every file a log of its own is refused. */
export const LOGS_MAX = 1_000;

/** What a path of the setting says. */
export interface LogPattern {
  /** As it was given. */
  readonly written: string;
  /** Absolute, with `{host}`: the pattern's name in the database. */
  readonly absolute: string;
  /** Absolute, for the file system: `{host}` as `*`. */
  readonly glob: string;
  /** True for a pattern; false for the path of one log's file. */
  readonly several: boolean;
  /** Matches whole paths; its group `host` is the host's name. */
  readonly expression: RegExp;
}

/** Reads one path of the setting. */
export function parsePattern(written: string): LogPattern {
  return patternOf(written, resolve(written));
}

/** The same pattern with its {@link fixedFolder} replaced by `folder`, that folder's real path. */
export function movedTo(pattern: LogPattern, folder: string): LogPattern {
  const moved = patternOf(pattern.written, join(folder, pattern.absolute.slice(fixedFolder(pattern).length)));
  return { ...moved, absolute: pattern.absolute };
}

function patternOf(written: string, path: string): LogPattern {
  const glob = path.replaceAll(HOST, "*");
  return { written, absolute: path, glob, several: isGlob(glob), expression: new RegExp(`^${expressionOf(path)}$`) };
}

/** The deepest folder that holds every path the pattern can match. */
export function fixedFolder({ glob }: Pick<LogPattern, "glob">): string {
  let folder = dirname(glob);
  while (isGlob(folder)) folder = dirname(folder);
  return folder;
}

/** The host in `path`; undefined if the pattern has no `{host}` or does not match. */
export function hostIn({ expression }: LogPattern, path: string): string | undefined {
  return expression.exec(path)?.groups?.["host"];
}

/** A glob as a regular expression: `*`, `**`, `?`, `[…]`, `{a,b}`, and `{host}`. */
function expressionOf(glob: string): string {
  let expression = "", depth = 0, named = false;
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i]!;
    if (glob.startsWith(HOST, i)) {
      expression += named ? "\\k<host>" : "(?<host>[^/]+?)";
      named = true;
      i += HOST.length - 1;
    } else if (glob.startsWith("**/", i)) {
      expression += "(?:.*/)?";
      i += 2;
    } else if (c === "*") expression += "[^/]*";
    else if (c === "?") expression += "[^/]";
    else if (c === "[" && glob.indexOf("]", i + 2) > 0) {
      const end = glob.indexOf("]", i + 2);
      expression += `[${glob.slice(i + 1, end).replace(/^!/, "^").replaceAll("\\", "\\\\")}]`;
      i = end;
    } else if (c === "{" && glob.includes("}", i)) {
      expression += "(?:";
      depth++;
    } else if (c === "}" && depth > 0) {
      expression += ")";
      depth--;
    } else if (c === "," && depth > 0) expression += "|";
    else expression += c.replace(/[.*+?^${}()|[\]\\/]/, "\\$&");
  }
  return expression;
}
