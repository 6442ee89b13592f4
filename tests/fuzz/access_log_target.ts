// The access-log pattern against a twin that reads one character after the other, without a regular expression.
import { parseAccessLog } from "../../src/event/access_log.ts";
import type { EventFields } from "../../src/event/event_schema.ts";
import { addressText } from "./address_target.ts";
import { type Below, type Chance, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf } from "./target.ts";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const pad = (n: number) => String(n).padStart(2, "0");

/** Pieces of quoted fields: plain text, escapes that are one, and escapes that only look like it. */
const PIECES = [
  ...["a", "/p?q=1", " ", "https://example.com/", "Mozilla/5.0 (X11)", "é", "-", "{", "[", "'", "\t"],
  ...[
    '\\"',
    "\\\\",
    "\\n",
    "\\t",
    "\\r",
    "\\v",
    "\\f",
    "\\b",
    "\\x22",
    "\\xc3\\xa4",
    "\\xe4",
    "\\xf0\\x9f\\x98\\x80",
    "\\xc3",
    "\\x0",
    "\\q",
    "\\x4G",
    "\\u0041",
  ],
];

function quoted({ many, pick, once }: Chance): string {
  return `"${
    once(4)
      ? pick(["-", "", "GET /a HTTP/1.1", "GET http://shop.example/x HTTP/2", "GET /a b HTTP/1.1", "POST /"])
      : many(5, () => pick(PIECES)).join("")
  }"`;
}

/** A line in one of the formats, mostly. */
export function accessLogLine(chance: Chance): string {
  const { once, pick, int, mostly } = chance;
  const vhost = once(3) ? `${mostly(["shop.example:443", "Shop.example", "-", "[::1]:80"], ["a:b:1", ":1", ""])} ` : "";
  const address = once(4) ? mostly(["-", "host.example"], [" ", ""]) : addressText(chance).trim();
  const names = `${mostly(["-", "id"], ["", "a b"])} ${mostly(["-", "joe"], ["john doe", ""])}`;
  const time = `${pad(int(1, 31))}/${mostly(MONTHS, ["Mai", "jan", "", "JAN"])}/${int(1970, 2040)}:${pad(int(0, 24))}:${
    pad(int(0, 60))
  }:${pad(int(0, 60))} ${pick(["+", "-"])}${pad(int(0, 24))}${pad(int(0, 60))}`;
  const numbers = `${mostly(["200", "404", "-"], ["20", "2000", "x"])} ${mostly(["12", "0", "-"], ["-1", "1.5", ""])}`;
  const forwarded = () =>
    once(2)
      ? mostly(['"-"', '"203.0.113.9, 10.0.0.2"', '"unknown"', '"[::1]:1"'], ['"0.003?"', '"a\\"b"', '"x;y"'])
      : quoted(chance);
  const tail = mostly([
    "",
    ` ${quoted(chance)} ${quoted(chance)}`,
    ` ${quoted(chance)} ${quoted(chance)} ${forwarded()}`,
  ], [" x", ` ${quoted(chance)}`, " "]);
  const end = mostly(["", "", "\r", "\n", "\r\n"], ["\u0085", "\r\r\n", " "]);
  return `${vhost}${address} ${names} [${time}] ${quoted(chance)} ${numbers}${tail}${end}`;
}

const HOSTS = ["", "Shop.example"];

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const given = textCase(accessLogLine(chance), chance.pick(HOSTS));
  return chance.once(3) ? { variant: given.variant, input: mutated(given.input, below) } : given;
}

/** Reads a text from its start; every method gives what it took, or `undefined` without moving. */
class Characters {
  at = 0;
  constructor(readonly text: string) {}

  get rest(): string {
    return this.text.slice(this.at);
  }

  /** Exactly `word`. */
  word(word: string): boolean {
    if (!this.text.startsWith(word, this.at)) return false;
    this.at += word.length;
    return true;
  }

  /** `count` digits. */
  digits(count: number): string | undefined {
    const taken = this.text.slice(this.at, this.at + count);
    if (taken.length < count || [...taken].some((c) => c < "0" || c > "9")) return undefined;
    this.at += count;
    return taken;
  }

  /** A dash, or digits: `count` of them, or at least one without `count`. */
  number(count?: number): string | undefined {
    if (this.word("-")) return "-";
    const before = this.at;
    while (this.digits(1) !== undefined);
    const taken = this.text.slice(before, this.at);
    return (count === undefined ? taken !== "" : taken.length === count) ? taken : undefined;
  }

  /** A field between quotes, with its escapes as they are. A backslash takes the next character along, whatever it is. */
  quoted(): string | undefined {
    if (!this.word('"')) return undefined;
    const from = this.at;
    while (this.at < this.text.length && this.text[this.at] !== '"') {
      if (this.text[this.at] === "\\") {
        const next = this.text[this.at + 1];
        // The patterns' dot stops at the end of a line; a line that holds one is not a line.
        if (next === undefined || "\n\r\u2028\u2029".includes(next)) return undefined;
        this.at++;
      }
      this.at++;
    }
    const field = this.text.slice(from, this.at);
    return this.word('"') ? field : undefined;
  }
}

/** White space as JavaScript's `\s` has it: a column holds none. */
const isSpace = (c: string) => c.trim() === "";

/** `count` columns without white space, each with one space behind it, up to a bracket. */
function columns(text: string, count: number): { found: string[]; rest: string } | undefined {
  const found: string[] = [];
  let at = 0;
  while (found.length < count) {
    const from = at;
    while (at < text.length && !isSpace(text[at]!)) at++;
    if (at === from || text[at] !== " ") return undefined;
    found.push(text.slice(from, at++));
  }
  return text[at] === "[" ? { found, rest: text.slice(at) } : undefined;
}

function unescapeTwin(field: string): string {
  let text = "";
  for (let at = 0; at < field.length;) {
    if (field[at] !== "\\") {
      text += field[at++];
      continue;
    }
    const run: number[] = [];
    let end = at;
    while (field[end] === "\\" && field[end + 1] === "x" && isHex(field[end + 2]) && isHex(field[end + 3])) {
      run.push(Number.parseInt(field.slice(end + 2, end + 4), 16));
      end += 4;
    }
    if (run.length > 0) {
      try {
        text += new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(run));
      } catch {
        text += field.slice(at, end); // not UTF-8: stays as the log has it
      }
      at = end;
      continue;
    }
    const next = field[at + 1];
    const plain = next === undefined
      ? undefined
      : { '"': '"', "\\": "\\", b: "\b", n: "\n", r: "\r", t: "\t", v: "\v", f: "\f" }[next];
    text += plain ?? "\\";
    at += plain === undefined ? 1 : 2;
  }
  return text;
}

const isHex = (c: string | undefined) => c !== undefined && "0123456789abcdefABCDEF".includes(c);
const present = (value: string | undefined) => value === undefined || value === "" || value === "-" ? undefined : value;

/** Method and URL of a request line, behind which a version may be missing; anything else names neither. */
function requestOf(request: string): readonly [method?: string, url?: string] {
  const words = request.split(" ");
  if (words.some((word) => word === "" || [...word].some(isSpace))) return [];
  const version = /^HTTP\/[0-9](\.[0-9])?$/;
  return words.length === 2 || (words.length === 3 && version.test(words[2]!)) ? [words[0]!, words[1]!] : [];
}

function twin(line: string, defaultHost: string | undefined): EventFields | undefined {
  let end = line.length;
  while (end > 0 && (line[end - 1] === "\n" || line[end - 1] === "\r")) end--;
  // With a virtual host, or without; no line is both.
  const head = columns(line.slice(0, end), 4) ?? columns(line.slice(0, end), 3);
  if (head === undefined) return undefined;
  const [vhost, address] = head.found.length === 4 ? head.found : [undefined, head.found[0]];
  if (vhost !== undefined && address === "-") return undefined;
  const rest = new Characters(head.rest);
  rest.word("[");
  const day = rest.digits(2), slash = rest.word("/"), month = MONTHS.findIndex((name) => rest.word(name)) + 1;
  if (day === undefined || !slash || month === 0 || !rest.word("/")) return undefined;
  const year = rest.digits(4);
  const clock = [":", ":", ":"].map((colon) => rest.word(colon) ? rest.digits(2) : undefined);
  if (year === undefined || clock.includes(undefined) || !rest.word(" ")) return undefined;
  const sign = rest.word("+") ? "+" : rest.word("-") ? "-" : undefined;
  const offset = [rest.digits(2), rest.digits(2)];
  if (sign === undefined || offset.includes(undefined) || !rest.word("] ")) return undefined;
  const request = rest.quoted();
  if (request === undefined || !rest.word(" ")) return undefined;
  const status = rest.number(3);
  if (status === undefined || !rest.word(" ") || rest.number() === undefined) return undefined;
  const fields: string[] = [];
  while (rest.rest !== "") {
    const field = rest.word(" ") ? rest.quoted() : undefined;
    if (field === undefined) return undefined;
    fields.push(field);
  }
  if (fields.length === 1 || fields.length > 3) return undefined;
  const [referrer, agent, forwarded] = fields;
  const allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:,[]_ -";
  if (forwarded !== undefined && [...forwarded].some((c) => !allowed.includes(c))) return undefined;
  let column = present(vhost);
  const colon = column?.lastIndexOf(":") ?? -1;
  const port = colon < 0 ? "" : column!.slice(colon + 1);
  if (port !== "" && [...port].every((c) => c >= "0" && c <= "9")) column = column!.slice(0, colon);
  const [method, url] = requestOf(unescapeTwin(request));
  return {
    url: present(url),
    method,
    status: present(status),
    referrer: present(unescapeTwin(referrer ?? "")),
    user_agent: present(unescapeTwin(agent ?? "")),
    host: column ?? defaultHost,
    ip: present(forwarded) === undefined ? address : `${forwarded}, ${address}`,
    headers: undefined,
    event_time: `${year}-${pad(month)}-${day}T${clock.join(":")}${sign}${offset.join(":")}`,
  };
}

const judge: Judge = {
  check(given) {
    const line = textOf(given), host = given.variant === "" ? undefined : given.variant;
    const expected = JSON.stringify(twin(line, host)), found = JSON.stringify(parseAccessLog(line, host));
    const outcome = expected === undefined ? "refused" : "line";
    return found === expected
      ? sound(outcome)
      : faulty(outcome, `${JSON.stringify(line)} gives ${found}, the twin ${expected}`);
  },
};

export const accessLogTarget: Target = {
  name: "access-log",
  holds: "a line of an access log gives the fields of a twin without regular expressions",
  generate,
  open: () => judge,
  shares: { line: 0.3, refused: 0.2 },
  testCases: 20_000,
};
