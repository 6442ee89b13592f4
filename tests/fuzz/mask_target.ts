// What is kept of a rejected value: none of the secrets that were planted in it, whatever its shape, and printable text within the cap.
import { maskPayload, SAMPLE_BYTES_MAX } from "../../src/event/mask_payload.ts";
import { addressText } from "./address_target.ts";
import { type Below, type Chance, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, type Verdict } from "./target.ts";

/** Replaces what tells about a person; it never lies where it is not to be hidden. */
const CANARY = "hunter2canary";

/** An address that is one wherever it is; the grammar's odd forms are not what logs hold. */
function address(chance: Chance): string {
  const text = addressText(chance).replace(/[[\]].*$|%.*$|^\[/g, "").replace(/(?<=\.\d+):\d*$/, "");
  return /^(\d{1,3}\.){3}\d{1,3}$|^[0-9a-f:]*::?[0-9a-f:.]*$/i.test(text) && text.length > 6 ? text : "203.0.113.77";
}

function field(chance: Chance): [string, unknown] {
  const { pick, once, int } = chance;
  const secret = () => pick([`sid=${CANARY}`, CANARY, `${"x".repeat(int(0, 40))} ${CANARY}`, `{"a":"${CANARY}"}`]);
  return pick<() => [string, unknown]>([
    () => ["url", `https://a.example/p?${CANARY}=1`],
    () => ["url", `https://joe:${CANARY}@a.example/p#${CANARY}`],
    () => ["referrer", pick(["http://r.example/a", `http://r.example/?q=${CANARY}&b`, ""])],
    () => [
      pick(["headers", "cookie", "Cookie", "authorization", "set-cookie", "token", "password", "x-forwarded-user"]),
      once(3) ? { a: [secret()] } : secret(),
    ],
    () => [
      pick(["ip", "client_ip", "remote_addr", "x-real-ip", "forwarded"]),
      once(4) ? 3_405_803_783 : `${address(chance)}, ${address(chance)}`,
    ],
    () => ["message", `from ${address(chance)} GET /?${CANARY} HTTP/1.1`],
    () => ["user_agent", pick(["Mozilla/5.0", "curl/8.5.0"])],
    () => ["event_time", "2026-06-01T10:15:60Z"],
    () => ["pad", "é".repeat(int(0, 3_000))],
  ])();
}

function shape(chance: Chance): string {
  const { once, many, pick } = chance;
  const json = JSON.stringify(Object.fromEntries([...many(6, () => field(chance)), field(chance)]));
  return pick([
    () => json,
    () => `[${json},${json}]`,
    () => `${json}${pick(["x", "}", "{}", "\u0000"])}`,
    () => json.slice(0, 1 + chance.below(json.length)),
    () =>
      `${
        address(chance)
      } - - [17/May/2015:10:05:03 +0000] "GET /a?${CANARY} HTTP/1.1" 200 1 "http://x/?${CANARY}" "Mozilla/5.0${
        once(2) ? '"' : ""
      }`,
    () => `GET /?${CANARY} HTTP/1.1\r\nCookie: ${CANARY}\r\nX-Forwarded-For: ${address(chance)}\r\nHost: a\r\n`,
    () => `user=joe&pass=${CANARY}&x=1`,
  ])();
}

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const given = textCase(shape(chance), "planted");
  // A damage may make an ordinary word of a key, so that then only the form of what is kept can be asked for.
  return chance.once(4) ? { variant: "any", input: mutated(given.input, below) } : given;
}

const V4 = /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])/;
/** Anything but tab and line ends that a terminal would obey. */
// deno-lint-ignore no-control-regex -- these are what must not be there
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/;
const encoder = new TextEncoder();

const judge: Judge = {
  check({ variant, input }): Verdict {
    const arena = encoder.encode("198.51.100.1");
    const bytes = Uint8Array.from([...arena, ...input, ...arena]);
    const sample = maskPayload(bytes, arena.length, arena.length + input.length);
    if (encoder.encode(sample).length > SAMPLE_BYTES_MAX) {
      return faulty(variant, `keeps ${encoder.encode(sample).length} bytes`);
    }
    if (!sample.isWellFormed() || CONTROL.test(sample)) return faulty(variant, `keeps ${JSON.stringify(sample)}`);
    if (V4.test(sample)) return faulty(variant, `keeps an address: ${sample}`);
    if (variant === "planted" && sample.includes(CANARY)) return faulty(variant, `keeps the secret: ${sample}`);
    return sound(variant);
  },
};

export const maskTarget: Target = {
  name: "mask",
  holds:
    "a sample of a rejected value holds no planted address, header, password or query, and is printable text within its cap",
  generate,
  open: () => judge,
  shares: { planted: 0.5, any: 0.1 },
  testCases: 5_000,
};
