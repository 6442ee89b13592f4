// The grammar of EVENT_FIELDS: the path of each field of an event in a JSON value. No I/O.

/** The fields that can have a path. */
export const EVENT_FIELD_NAMES = [
  "event_time",
  "host",
  "referrer",
  "ip",
  "user_agent",
  "url",
  "method",
  "status",
] as const;
export type EventFieldName = typeof EVENT_FIELD_NAMES[number];

/** Keys of objects and positions in arrays (from 0), beginning at the top. */
export type FieldPath = readonly (string | number)[];
/** A field without a path is at the top under its own name. */
export type FieldPaths = Readonly<Partial<Record<EventFieldName, FieldPath>>>;

export const EVENT_FIELDS_GRAMMAR =
  "field:path pairs separated by commas, such as event_time:ts,ip:request.remote_ip,user_agent:request.headers.User-Agent[0]; " +
  'a key that holds a dot, comma, bracket, quote or blank is written ["like.this"]';

/** Longer paths are refused, because the byte reader walks them by recursion. */
const SEGMENTS_MAX = 8;
const PLAIN_KEY = /[^.,:[\]"\\\s]+/y;
const POSITION = /\[(0|[1-9]\d{0,2})\]/y;
const QUOTED_KEY = /\["((?:[^"\\\p{Cc}]|\\["\\])+)"\]/uy;

/** Reads `field:path,…`; returns the problem as a text if it is not valid. Blanks around pairs are ignored; an empty text maps nothing. */
export function parseEventFields(text: string): FieldPaths | string {
  const paths: Partial<Record<EventFieldName, FieldPath>> = {};
  let at = 0;
  const blanks = () => {
    while (text[at] === " " || text[at] === "\t") at++;
  };
  blanks();
  if (at === text.length) return paths;
  for (;;) {
    blanks();
    const colon = text.indexOf(":", at);
    const name = colon < 0 ? text.slice(at) : text.slice(at, colon);
    if (!isFieldName(name)) {
      return `must name fields of an event (${EVENT_FIELD_NAMES.join(", ")}) before each colon`;
    }
    if (colon < 0) return `must be ${EVENT_FIELDS_GRAMMAR}`;
    if (Object.hasOwn(paths, name)) return `must name ${name} once only`;
    at = colon + 1;
    const path = readPath();
    if (path === undefined) return `must be ${EVENT_FIELDS_GRAMMAR}`;
    if (path.length > SEGMENTS_MAX) return `must have at most ${SEGMENTS_MAX} steps in a path`;
    paths[name] = path;
    blanks();
    if (at === text.length) break;
    if (text[at++] !== ",") return `must be ${EVENT_FIELDS_GRAMMAR}`;
  }
  return ambiguous(paths) ?? paths;

  function readPath(): FieldPath | undefined {
    const path: (string | number)[] = [];
    for (;;) {
      const position = match(POSITION), quoted = position === undefined ? match(QUOTED_KEY) : undefined;
      if (position !== undefined) path.push(Number(position[1]));
      else if (quoted !== undefined) path.push(quoted[1]!.replace(/\\(.)/g, "$1"));
      else {
        if (path.length > 0) {
          if (text[at] !== ".") return path;
          at++;
        }
        const key = match(PLAIN_KEY);
        if (key === undefined) return undefined;
        path.push(key[0]);
      }
    }
  }

  function match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return undefined;
    at = pattern.lastIndex;
    return found;
  }
}

/** The normal form of a mapping, which the stream stores and compares. */
export function formatEventFields(paths: FieldPaths): string {
  return EVENT_FIELD_NAMES.flatMap((name) => {
    const path = paths[name];
    // A path that is the field's own name is left out.
    if (path === undefined || (path.length === 1 && path[0] === name)) return [];
    return [`${name}:${formatPath(path)}`];
  }).join();
}

/**
 * The paths of all fields. A field without a path of its own has none if another path begins with its name: with `host:url.domain`, `url` is
 * an object at the top and not the field.
 */
export function allPaths(paths: FieldPaths): FieldPaths {
  const taken = new Set(Object.values(paths).map((path) => path[0]));
  return Object.fromEntries(EVENT_FIELD_NAMES.flatMap((name) => {
    const path = paths[name] ?? (taken.has(name) ? undefined : [name]);
    return path === undefined ? [] : [[name, path]];
  }));
}

function formatPath(path: FieldPath): string {
  return path.map((step, i) => {
    if (typeof step === "number") return `[${step}]`;
    PLAIN_KEY.lastIndex = 0;
    const plain = PLAIN_KEY.exec(step)?.[0] === step;
    return plain ? `${i === 0 ? "" : "."}${step}` : `["${step.replace(/["\\]/g, "\\$&")}"]`;
  }).join("");
}

function isFieldName(name: string): name is EventFieldName {
  return (EVENT_FIELD_NAMES as readonly string[]).includes(name);
}

/** The problem of two equal paths, or of one within the other: a value cannot be a text and an object. */
function ambiguous(paths: FieldPaths): string | undefined {
  const all = Object.entries(paths);
  for (const [name, path] of all) {
    const clash = all.find(([other, longer]) => name !== other && path.every((step, i) => step === longer[i]));
    if (clash !== undefined) return `must not read ${name} and ${clash[0]} from one place`;
  }
  return undefined;
}
