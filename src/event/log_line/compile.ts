// Compiles a server's own format string (nginx `log_format`, Apache `LogFormat`, a W3C `#Fields:` line) into the parts that a reader walks. No I/O.
import { meaningOf, OF_THE_PAGE, type Part } from "./variables.ts";

/** A format, ready to be read. Parts behind the last value that counts are left out: they do not matter. */
export interface LineFormat {
  readonly parts: readonly Part[];
  /** What follows `parts` up to the last value of the page alone; empty without one. A line that does not have it still is an event. */
  readonly rest: readonly Part[];
  /** `w3c`: a plus in an agent or referrer is a blank, and `%20` is decoded. */
  readonly dialect: "plain" | "w3c";
}

/** Why a format cannot be read, in words. */
export class FormatProblem extends Error {
  override readonly name = "FormatProblem";
}

/**
 * The format that `written` describes, as it is written in a server's configuration: with `log_format name '…' '…';` or `LogFormat "…" name`
 * around it or without, or the `#Fields:` line of a W3C log.
 *
 * @throws FormatProblem if it has no time, two values without a text between them, or no variable that is known
 */
export function compileFormat(written: string): LineFormat {
  const text = unwrapped(written.trim());
  if (/^#?Fields:/i.test(text)) return w3cFormat(text.replace(/^#?Fields:\s*/i, ""));
  if (text.includes("$")) return checked(merged(nginxParts(text)), "plain");
  if (text.includes("%")) return checked(merged(apacheParts(text)), "plain");
  throw new FormatProblem("It holds neither a variable as nginx writes one ($remote_addr) nor one of Apache (%h).");
}

/** The format itself, out of the directive that defines it. */
function unwrapped(text: string): string {
  const nginx = /^log_format\s+\S+\s+(?:escape=\w+\s+)?([\s\S]*?);?$/.exec(text);
  if (nginx !== null) {
    return [...nginx[1]!.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)].map(([, one, two]) =>
      (one ?? two)!.replace(/\\(['"\\])/g, "$1")
    ).join("");
  }
  const apache = /^(?:LogFormat|CustomLog\s+\S+)\s+"((?:[^"\\]|\\.)*)"/.exec(text);
  return apache === null ? text.replaceAll('\\"', '"') : apache[1]!.replace(/\\(["\\])/g, "$1");
}

function nginxParts(text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(/\$(?:\{(\w+)\}|(\w+))/g)) {
    parts.push({ kind: "text", text: text.slice(from, match.index) });
    parts.push(...meaningOf.nginx(match[1] ?? match[2]!));
    from = match.index + match[0].length;
  }
  return [...parts, { kind: "text", text: text.slice(from) }];
}

function apacheParts(text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(/%%|%[!\d,]*[<>]?(?:\{([^}]*)\})?(\^?[A-Za-z]{1,2}?)/g)) {
    parts.push({ kind: "text", text: text.slice(from, match.index) + (match[0] === "%%" ? "%" : "") });
    if (match[0] !== "%%") parts.push(...meaningOf.apache(match[2]!, match[1]));
    from = match.index + match[0].length;
  }
  return [...parts, { kind: "text", text: text.slice(from).replaceAll("\\t", "\t") }];
}

function w3cFormat(names: string): LineFormat {
  const columns = names.trim().split(/\s+/);
  const parts = columns.flatMap((name, i): Part[] => [
    ...(i === 0 ? [] : [{ kind: "text", text: " " } as const]),
    { kind: "value", role: meaningOf.w3c(name), quoted: false },
  ]);
  return checked(parts, "w3c");
}

/** Without empty texts, and with neighbouring ones as one. */
function merged(parts: readonly Part[]): Part[] {
  const result: Part[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    if (part.kind === "text" && last?.kind === "text") {
      result[result.length - 1] = { kind: "text", text: last.text + part.text };
    } else if (part.kind === "value" || part.text !== "") result.push(part);
  }
  return result.map((part, i) => {
    if (part.kind === "text") return part;
    const before = result[i - 1], behind = result[i + 1];
    const quoted = before?.kind === "text" && before.text.endsWith('"') && behind?.kind === "text" &&
      behind.text.startsWith('"');
    return { ...part, quoted };
  });
}

function checked(parts: readonly Part[], dialect: LineFormat["dialect"]): LineFormat {
  const roles = new Set(parts.flatMap((part) => part.kind === "value" ? [part.role] : []));
  if (!roles.has("time") && !(roles.has("date") && roles.has("clock"))) {
    throw new FormatProblem("It holds no time of the request.");
  }
  const clash = parts.findIndex((part, i) => part.kind === "value" && parts[i + 1]?.kind === "value");
  if (clash >= 0) {
    throw new FormatProblem("Two of its values have no text between them, so that nothing tells them apart.");
  }
  const last = parts.findLastIndex((part) =>
    part.kind === "value" && part.role !== "ignored" && !OF_THE_PAGE.has(part.role)
  );
  const ofThePage = parts.findLastIndex((part) => part.kind === "value" && OF_THE_PAGE.has(part.role));
  const kept = upTo(parts, last);
  const [end, ...behind] = parts.slice(last + 1);
  // The first character of the text behind the last value is in `parts`.
  const others: Part[] = end?.kind === "text" && end.text.length > 1
    ? [{ kind: "text", text: end.text.slice(1) }, ...behind]
    : behind;
  const rest = ofThePage > last ? upTo(others, others.indexOf(parts[ofThePage]!)) : [];
  return { parts: kept, rest, dialect };
}

/** The parts up to the value at `last`. The text behind it ends it; only its first character has to be there. */
function upTo(parts: readonly Part[], last: number): Part[] {
  const kept = parts.slice(0, last + 1), end = parts[last + 1];
  return end?.kind === "text" ? [...kept, { kind: "text", text: end.text[0]! }] : kept;
}

/** What a line is an event by: formats that differ in nothing else read the same lines. */
export function eventColumns({ parts }: LineFormat): string {
  return JSON.stringify(
    parts.map((part) => part.kind === "value" && OF_THE_PAGE.has(part.role) ? { ...part, role: "ignored" } : part),
  );
}
