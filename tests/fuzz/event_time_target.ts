// The two grammars of event time against a third one that walks the characters and leaves the calendar to Temporal.
import { parseEventTime, parseEventTimeV2 } from "../../src/event/event_time.ts";
import { parseEventTimeBytes } from "../../src/event/event_time_bytes.ts";
import { type Below, type Chance, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf } from "./target.ts";

const pad = (n: number, width: number) => String(n).padStart(width, "0");

/** A text that is an event time, or nearly one. */
export function eventTimeText({ below, once, pick, int }: Chance): string {
  if (once(4)) {
    const digits = int(1, 17);
    const number = once(3)
      ? pick(["253402300799", "62135596800", "100000000000", "253402300799999"])
      : `${below(10 ** Math.min(digits, 9))}`;
    return `${once(4) ? "-" : ""}${once(20) ? "0" : ""}${number}${once(12) ? pick(["0", "9", ".0", "e3", " "]) : ""}`;
  }
  const year = once(3) ? pick([0, 1, 4, 100, 400, 1900, 1969, 1970, 2000, 2100, 9999]) : int(1, 9999);
  // A little beyond each limit, so that limits are met from both sides.
  const [month, day, hour, minute, second] = [
    int(once(9) ? 0 : 1, once(9) ? 13 : 12),
    once(3) ? int(27, 32) : int(1, 28),
    int(0, once(9) ? 25 : 23),
    int(0, once(9) ? 61 : 59),
    int(0, once(9) ? 61 : 59),
  ];
  const fraction = once(2)
    ? ""
    : `.${Array.from({ length: once(20) ? 0 : int(1, once(9) ? 30 : 4) }, () => below(10)).join("")}`;
  const zone = once(3)
    ? ""
    : once(2)
    ? pick(["Z", "Z", "z"])
    : `${pick(["+", "-"])}${pad(int(0, once(9) ? 25 : 23), 2)}:${pad(int(0, once(9) ? 61 : 59), 2)}`;
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}${
    once(20) ? pick(["_", "", "x"]) : pick(["T", "T", "t", " "])
  }${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}${fraction}${zone}`;
}

/** A text that is an event time of version 2, or nearly one. */
function eventTimeTextV2(chance: Chance): string {
  const { below, once, pick, int } = chance;
  if (once(3)) {
    const digits = Array.from({ length: int(1, 22) }, (_, i) => i === 0 ? int(1, 9) : below(10)).join("");
    const fraction = once(2) ? "" : `.${Array.from({ length: once(20) ? 0 : int(1, 8) }, () => below(10)).join("")}`;
    return `${once(6) ? "-" : ""}${digits}${fraction}${once(12) ? pick(["e3", " ", "."]) : ""}`;
  }
  const text = eventTimeText(chance);
  switch (below(6)) {
    case 0:
      return text.replace(".", ",");
    case 1:
      return text.replace(/:(\d\d)$/, "$1");
    case 2:
      return text.replace(/([+-]\d\d):\d\d$/, "$1");
    case 3:
      return text.replace(/(?:Z|[+-]\d\d:\d\d)?$/, pick([" UTC", " GMT", " Z", " +01:00", " +0100", " CET", " -00"]));
    case 4:
      return text.replace(/(T\d\d:\d\d):\d\d(?:\.\d+)?/, "$1");
    default:
      return once(3) ? `${pick([" ", "\t", "  "])}${text}${pick([" ", "", "\t"])}` : text;
  }
}

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const second = chance.once(2);
  const text = second ? eventTimeTextV2(chance) : eventTimeText(chance);
  const variant = second ? "version 2" : chance.once(8) ? "number" : "text";
  const given = textCase(text, variant);
  return chance.once(4) ? { variant, input: mutated(given.input, below) } : given;
}

const digitAt = (text: string, at: number) => at < text.length && text[at]! >= "0" && text[at]! <= "9";
const FIRST = Temporal.Instant.from("0001-01-01T00:00:00Z").epochMilliseconds;
const LAST = Temporal.Instant.from("9999-12-31T23:59:59.999Z").epochMilliseconds;

/** What docs/concepts.md says an event time is, read character by character; epoch ms. */
function twin(text: string): number | undefined {
  return unixTwin(text) ?? dateTimeTwin(text);
}

function unixTwin(text: string): number | undefined {
  const negative = text[0] === "-", digits = negative ? text.slice(1) : text;
  if (digits === "" || (digits.length > 1 && digits[0] === "0")) return undefined;
  for (let i = 0; i < digits.length; i++) if (!digitAt(digits, i)) return undefined;
  if (digits.length > 20) return undefined;
  const whole = BigInt(digits) * (negative ? -1n : 1n);
  const ms = whole >= 100_000_000_000n ? whole : whole * 1000n;
  return ms >= BigInt(FIRST) && ms <= BigInt(LAST) ? Number(ms) : undefined;
}

function dateTimeTwin(text: string): number | undefined {
  // The shape, with 0 for every digit.
  let shape = "";
  for (let i = 0; i < 19; i++) shape += digitAt(text, i) ? "0" : text[i] ?? "";
  if (!["0000-00-00T00:00:00", "0000-00-00t00:00:00", "0000-00-00 00:00:00"].includes(shape)) return undefined;
  const number = (from: number, to: number) => Number(text.slice(from, to));
  let at = 19, millisecond = 0;
  if (text[at] === ".") {
    const first = ++at;
    while (digitAt(text, at)) at++;
    if (at === first) return undefined;
    millisecond = Number(`${text.slice(first, at)}000`.slice(0, 3));
  }
  let offsetMinutes = 0;
  const zone = text.slice(at);
  if (zone !== "" && zone !== "Z" && zone !== "z") {
    const sign = zone[0], hours = zone.slice(1, 3), minutes = zone.slice(4);
    if (zone.length !== 6 || (sign !== "+" && sign !== "-") || zone[3] !== ":") return undefined;
    if (![0, 1].every((i) => digitAt(hours, i) && digitAt(minutes, i))) return undefined;
    if (Number(hours) > 23 || Number(minutes) > 59) return undefined;
    offsetMinutes = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  }
  let local: Temporal.PlainDateTime;
  try {
    local = Temporal.PlainDateTime.from({
      year: number(0, 4),
      month: number(5, 7),
      day: number(8, 10),
      hour: number(11, 13),
      minute: number(14, 16),
      second: number(17, 19),
      millisecond,
    }, { overflow: "reject" });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  const ms = local.toZonedDateTime("UTC").epochMilliseconds - offsetMinutes * 60_000;
  return ms >= FIRST && ms <= LAST ? ms : undefined;
}

/** Digits around the text, which a reader past its ends would take for its own. */
const arena = new Uint8Array(4096).fill(0x39);

/** What docs/concepts.md says of rules version 2, for the forms that are made here. */
function twinV2(text: string): number | undefined {
  const trimmed = text.replace(/^[ \t]+/, "").replace(/[ \t]+$/, "");
  return unixTwinV2(trimmed) ?? dateTimeTwinV2(trimmed);
}

function unixTwinV2(text: string): number | undefined {
  const negative = text[0] === "-", [whole = "", ...rest] = (negative ? text.slice(1) : text).split(".");
  const isDigits = (part: string) => part !== "" && [...part].every((c) => c >= "0" && c <= "9");
  if (!isDigits(whole) || (whole.length > 1 && whole[0] === "0") || rest.length > 1) return undefined;
  if (rest[0] !== undefined && !isDigits(rest[0])) return undefined;
  if (whole.length > 20) return undefined;
  const n = BigInt(whole), fraction = BigInt(`${rest[0] ?? ""}000`.slice(0, 3));
  let ms: bigint;
  if (n < 10n ** 11n) ms = (n * 1000n + fraction) * (negative ? -1n : 1n);
  else if (negative) return undefined;
  else ms = n < 10n ** 14n ? n : n < 10n ** 17n ? n / 1000n : n / 1_000_000n;
  return ms >= BigInt(FIRST) && ms <= BigInt(LAST) ? Number(ms) : undefined;
}

/** Rewrites a form of version 2 as one of version 1, which the older twin reads. */
function dateTimeTwinV2(text: string): number | undefined {
  let written = text;
  if (written.endsWith("UTC") || written.endsWith("GMT")) {
    // One blank may come before it.
    written = `${written.slice(0, -3).replace(/ $/, "")}Z`;
  }
  const zone = /^(.*\d) ?([+-])(\d\d)(?::?(\d\d))?$/.exec(written);
  // A date alone ends in a dash and two digits, too.
  if (zone !== null && zone[1]!.length >= 16) written = `${zone[1]}${zone[2]}${zone[3]}:${zone[4] ?? "00"}`;
  else if (written === text) written = text.replace(/ ([Zz])$/, "$1");
  if (written[19] === ",") written = `${written.slice(0, 19)}.${written.slice(20)}`;
  if (/^.{16}(?:[Zz]|[+-]\d\d:\d\d)?$/.test(written)) written = `${written.slice(0, 16)}:00${written.slice(16)}`;
  return dateTimeTwin(written);
}

function checkV2(text: string, input: Uint8Array) {
  const expected = twinV2(text), slow = parseEventTimeV2(text);
  arena.set(input, 1);
  arena[input.length + 1] = 0x39;
  const bytes = parseEventTimeBytes(arena, 1, 1 + input.length, 2);
  const outcome = expected === undefined ? "refused" : "time";
  // The byte reader may leave a form to the slow path, never read it otherwise.
  return Object.is(slow, expected) && (Number.isNaN(bytes) || Object.is(bytes, slow))
    ? sound(outcome)
    : faulty(outcome, `version 2: ${JSON.stringify(text)} is ${slow}, over bytes ${bytes}, the twin says ${expected}`);
}

const judge: Judge = {
  check(given) {
    const text = textOf(given);
    if (given.variant === "version 2") return checkV2(text, given.input);
    if (given.variant === "number") {
      // As JSON gives it; a fraction or an infinity is not an event time.
      const value = Number(text), expected = Number.isInteger(value) ? twin(BigInt(value).toString()) : undefined;
      const found = parseEventTime(value);
      const outcome = expected === undefined ? "refused number" : "number";
      return Object.is(found, expected)
        ? sound(outcome)
        : faulty(outcome, `${value} is ${found}, the twin says ${expected}`);
    }
    const expected = twin(text);
    const slow = parseEventTime(text);
    const { input } = given;
    arena.set(input, 1);
    arena[input.length + 1] = 0x39;
    const bytes = parseEventTimeBytes(arena, 1, 1 + input.length, 1);
    const fast = Number.isNaN(bytes) ? undefined : bytes;
    const outcome = expected === undefined ? "refused" : "time";
    return Object.is(slow, expected) && Object.is(fast, expected)
      ? sound(outcome)
      : faulty(outcome, `${JSON.stringify(text)} is ${slow}, over bytes ${fast}, the twin says ${expected}`);
  },
};

export const eventTimeTarget: Target = {
  name: "event-time",
  holds: "text and bytes give the same instant as a character-by-character twin with Temporal's calendar",
  generate,
  open: () => judge,
  shares: { time: 0.3, refused: 0.2, number: 0.005, "refused number": 0.01 },
  testCases: 20_000,
};
