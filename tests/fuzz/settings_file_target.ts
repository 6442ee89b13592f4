// The settings file: what is written by its rules is read back, and any text gives assignments and problems that name its lines.
import { parseSettingsFile } from "../../src/shared/config/file.ts";
import { type Below, type Chance, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf, type Verdict } from "./target.ts";

/** A line of a file that is written by the rules: an assignment, or something else. */
type Line = {
  readonly name: string;
  readonly value: string;
  readonly style: "bare" | "single" | "double";
  readonly tail: string;
} | { readonly text: string };

function line(chance: Chance): Line {
  const { once, pick, many } = chance;
  if (once(4)) return { text: pick(["", "# a comment", "  ", "#A=1", "\t# x"]) };
  const style = pick(["bare", "single", "double"] as const);
  const pieces = style === "bare"
    ? ["a", "=", "b c", "'", '"', "#x", "é", "\\n", "$"]
    : ["a", "=", "  ", "\n", "# x", "\\", "\\n", '"', "'", "$", "é", "\t", "😀"];
  const value = many(5, () => pick(pieces)).join("").replaceAll(style === "single" ? "'" : "\u0000", "");
  return {
    name: pick(["A", "_b", "KAFKA_URL", "x9"]),
    value: style === "bare" ? bareValue(value) : value,
    style,
    tail: pick(["", "", " # kept out", "  "]),
  };
}

/** A bare value begins with no quote, and ends before ` #`. */
const bareValue = (text: string) => text.replace(/^["'#]+/, "").replace(/\s#/g, "_#").trim();

const ESCAPED: Readonly<Record<string, string>> = { "\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", $: "\\$" };

/** A value between double quotes. A backslash means itself where no escape begins with it. */
function escaped(value: string): string {
  return value.replace(
    /\\(?=[^nrt"\\$\n\t])|([\\"\n\t$])/g,
    (char, special?: string) => special === undefined ? char : ESCAPED[special]!,
  );
}

function text(line: Line): string {
  if ("text" in line) return line.text;
  const { name, value, style, tail } = line;
  const quoted = style === "bare" ? value : style === "single" ? `'${value}'` : `"${escaped(value)}"`;
  return `${name}=${quoted}${tail}`;
}

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const lines = chance.many(6, () => line(chance));
  if (chance.once(2)) return textCase(JSON.stringify(lines), "written");
  const damaged = new TextEncoder().encode(lines.map(text).join(chance.pick(["\n", "\r\n"])));
  return { variant: "any", input: mutated(damaged, below) };
}

function written(lines: readonly Line[]): Verdict {
  const expected = lines.flatMap((line) => "text" in line ? [] : [`${line.name}=${line.value}`]);
  for (const end of ["\n", ""]) {
    const { lines: found, problems } = parseSettingsFile(lines.map(text).join("\n") + end);
    const read = found.map(({ name, value }) => `${name}=${value}`);
    if (problems.length > 0 || JSON.stringify(read) !== JSON.stringify(expected)) {
      return faulty("written", `gives ${JSON.stringify({ read, problems })}, written were ${JSON.stringify(expected)}`);
    }
  }
  return sound("written");
}

const judge: Judge = {
  check(given): Verdict {
    const content = textOf(given);
    if (given.variant === "written") {
      try {
        return written(JSON.parse(content) as Line[]);
      } catch (error) {
        if (error instanceof SyntaxError) return sound("no case");
        throw error;
      }
    }
    const { lines, problems } = parseSettingsFile(content);
    const count = content.split("\n").length;
    let last = 0;
    for (const { name, line } of lines) {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || line <= last || line > count) {
        return faulty("any", `${JSON.stringify(name)} in line ${line} after ${last} of ${count}`);
      }
      if (!content.split("\n")[line - 1]!.includes(name)) return faulty("any", `line ${line} does not hold ${name}`);
      last = line;
    }
    // The text may be a secret: only the place and the kind of a problem are shown.
    const known = /^line \d+( is not NAME=value|: text after the closing quote|: a quote is never closed)$/;
    const told = problems.find((problem) => !known.test(problem));
    if (told !== undefined) return faulty("any", `tells ${JSON.stringify(told)}`);
    return sound(problems.length > 0 ? "problems" : "any");
  },
};

export const settingsFileTarget: Target = {
  name: "settings-file",
  holds:
    "a file written by the rules is read back; any text gives assignments and problems with their lines, and no content of the latter",
  generate,
  open: () => judge,
  shares: { written: 0.4, any: 0.1, problems: 0.05 },
  testCases: 10_000,
};
