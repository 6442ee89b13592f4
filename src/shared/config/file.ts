// The settings file (`--env-file stream.env`): NAME=value lines, read as by Docker Compose but without its ${…} substitution. No I/O.
// No library: each problem has to name its line, and nothing is expanded.

interface FileLine {
  readonly name: string;
  readonly value: string;
  /** 1-based. */
  readonly line: number;
}

interface FileContent {
  readonly lines: readonly FileLine[];
  /** Lines that are not assignments, without their content, which may be a secret. */
  readonly problems: readonly string[];
}

const ASSIGNMENT = /^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*/;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\", $: "$" };

/**
 * Reads a settings file. A value is bare (up to ` #` or the end of the line), in single quotes (unchanged), or in double quotes (with the
 * escapes \n, \t, \r, \", \\ and \$). Quoted values may span several lines.
 */
export function parseSettingsFile(content: string): FileContent {
  const lines: FileLine[] = [];
  const problems: string[] = [];
  const source = content.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
  let position = 0;
  let line = 1;
  while (position < source.length) {
    let end = source.indexOf("\n", position);
    if (end === -1) end = source.length;
    const whole = source.slice(position, end);
    const written = whole.trimStart();
    if (written !== "" && !written.startsWith("#")) {
      const match = ASSIGNMENT.exec(written);
      if (match === null) {
        problems.push(`line ${line} is not NAME=value`);
      } else {
        const start = position + (whole.length - written.length) + match[0].length;
        const read = readValue(source, start, end);
        if (typeof read === "string") problems.push(`line ${line}: ${read}`);
        else {
          lines.push({ name: match[1]!, value: read.value, line });
          end = read.end;
        }
      }
    }
    line += source.slice(position, end).split("\n").length;
    position = end + 1;
  }
  return { lines, problems };
}

/** The value that begins at `start`, and the end of its last line; or its problem. */
function readValue(source: string, start: number, lineEnd: number): { value: string; end: number } | string {
  const quote = source[start];
  if (quote !== '"' && quote !== "'") {
    return { value: source.slice(start, lineEnd).replace(/(^|\s+)#.*$/, "").trim(), end: lineEnd };
  }
  let value = "";
  for (let i = start + 1; i < source.length; i++) {
    const char = source[i]!;
    if (char === quote) {
      const newline = source.indexOf("\n", i);
      const end = newline === -1 ? source.length : newline;
      return /^\s*(#.*)?$/.test(source.slice(i + 1, end)) ? { value, end } : "text after the closing quote";
    }
    if (char === "\\" && quote === '"') {
      const next = source[++i] ?? "";
      value += ESCAPES[next] ?? `\\${next}`;
    } else value += char;
  }
  return "a quote is never closed";
}
