// The fast event reader against the slow one, over all rule sets, with every kind of neighbour behind the value.
import { VALUE_BYTES_MAX } from "../../src/event/event_schema.ts";
import { DifferentialPair, RULE_SETS } from "./event_pair.ts";
import { generateValue } from "./event_values.ts";
import { generateMapped, MAPPINGS } from "./mapped_values.ts";
import { accessLogLine } from "./access_log_target.ts";
import { type Below, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, type Verdict } from "./target.ts";

const NAMES = Object.keys(RULE_SETS);

/** Bytes that would make sense of a record whose reader runs past the end. */
const NEIGHBOURS = ['"', '"}', '"host":"neighbour"}', "0123456789", "}", ',"ip":"198.51.100.1"}', "\\", "\ud55c", ""]
  .map((s) => new TextEncoder().encode(s));
/** A dictionary that grows without end would slow the run down. */
const MEMORY_BYTES_MAX = 4 * 1024 * 1024;

function generate(below: Below): Case {
  const { once, pick } = chanceOf(below);
  const variant = pick(NAMES);
  const value = Object.hasOwn(MAPPINGS, variant)
    ? generateMapped(below, variant as keyof typeof MAPPINGS)
    : RULE_SETS[variant]!.format === "lines" && !once(3)
    ? generateLine(below)
    : generateValue(below);
  if (!once(20_000)) return { variant, input: value };
  // White space around an object is part of its value's length.
  const padded = new Uint8Array(VALUE_BYTES_MAX + below(2)).fill(0x20);
  padded.set(value.subarray(0, padded.length), padded.length - value.length);
  return { variant, input: padded };
}

const REQUESTS = [
  "GET /p HTTP/1.1",
  "GET /p HTTP/1.1",
  "GET /a/./b//?x=1&utm_source=n HTTP/2",
  "POST /p HTTP/1.0",
  "GET /style.css",
  "GET /a b HTTP/1.1",
  "GET  HTTP/1.1",
  "GET  HTTP/1",
  "GET / HTTP/1 HTTP/1.1",
  "GET /HTTP/1.1",
  "GET x HTTP/11",
  "GET -",
  "GET ",
  " /p HTTP/1.1",
  "-",
  "",
  "*",
  "http://h.example/p?q#f HTTP/1.1",
  "CONNECT h.example:443 HTTP/1.1",
];

/** A line as servers write it, now and then inside what a log shipper puts around it, broken or not. */
function generateLine(below: Below): Uint8Array {
  const chance = chanceOf(below);
  const plain = accessLogLine(chance).replace(/[\r\n]+$/, "");
  const usual =
    `198.51.100.${below(256)} - - [03/Mar/2026:10:${10 + below(50)}:${10 + below(50)} +0100] "${
      chance.pick(REQUESTS)
    }" ${chance.pick(["200", "200", "304", "301", "404", "000"])} ${below(5000)}` +
    chance.pick(["", ' "-" "Mozilla/5.0"', ' "https://r.example/" "curl/8" 0.003', ' "-" "-" "203.0.113.9, 10.0.0.2"']);
  const line = chance.pick([plain, usual, `shop.example ${usual}`, `203.0.113.9 ${usual}`]);
  const dressed = chance.pick([
    line,
    line,
    line,
    `web1: ${line}`,
    `2026-03-03T10:00:00.1Z stdout F ${line}`,
    JSON.stringify({ log: `${line}\n`, stream: "stdout", time: "2026-03-03T10:00:00Z" }),
  ]);
  const bytes = new TextEncoder().encode(dressed);
  return chance.once(3) ? mutated(bytes, below) : bytes;
}

class EventJudge implements Judge {
  #pairs = new Map<string, DifferentialPair>();
  #arena = new Uint8Array(1 << 12);

  restart(): void {
    this.#pairs = new Map(NAMES.map((name) => [name, new DifferentialPair(RULE_SETS[name]!)]));
  }

  check({ variant, input }: Case): Verdict {
    const pair = this.#pairs.get(variant);
    if (pair === undefined) return faulty("unknown", `there is no rule set ${variant}`);
    const slow = pair.readSlow(input);
    const outcome = slow.kind === "dead" ? slow.reason : slow.kind;
    // Where the value ends with its buffer, a word cannot be read across the end.
    let difference = pair.difference(slow, input, 0, input.length);
    if (difference === undefined) {
      const at = input.length % 8,
        neighbour = NEIGHBOURS[(input.length + (input[input.length >> 1] ?? 0)) % NEIGHBOURS.length]!;
      const end = at + input.length;
      if (end + 64 > this.#arena.length) this.#arena = new Uint8Array(end + 64);
      this.#arena.set(input, at);
      this.#arena.set(neighbour, end);
      difference = pair.difference(slow, this.#arena, at, end);
    }
    if (pair.reader.memoryBytes > MEMORY_BYTES_MAX) pair.reader.reset();
    return difference === undefined ? sound(outcome) : faulty(outcome, `under rules ${variant} ${difference}`);
  }
}

export const eventTarget: Target = {
  name: "event",
  holds: "the fast reader gives the same event or the same reason as the slow one, at first and at second sight",
  generate,
  open() {
    const judge = new EventJudge();
    judge.restart();
    return judge;
  },
  shares: {
    event: 0.25,
    bad_json: 0.02,
    bad_line: 0.01,
    bad_encoding: 0.01,
    bad_event_time: 0.01,
    missing_host: 0.01,
    missing_event_time: 0.005,
    bad_host: 0.0005,
    binary_value: 0.0005,
  },
  testCases: 200_000,
};
