// Cutting a log into lines: the same records at the same positions however the bytes come, and as one loop over them finds.
import { LINE_BYTES_MAX, LineRun, wholeLinesEnd } from "../../src/source/lines.ts";
import { offset } from "../../src/shared/units.ts";
import { type Below, chanceOf, spliced } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase } from "./target.ts";

/** Position of a log's first byte. */
const BASE = 2 ** 40 + 5;
const RECORD_TIME = 7;

function generate(below: Below): Case {
  const { many, pick, once, int } = chanceOf(below);
  const piece = () => pick(["a", "{}", "xyz", " ", "\t", "\r", "\n", "\n", "\r\n", "\n\n", "é", "\u0000"]);
  const { input } = textCase(many(12, piece).join(""));
  const long = once(2_000) ? new Uint8Array(LINE_BYTES_MAX + below(3)).fill(0x61) : new Uint8Array(0);
  const at = below(input.length + 1), log = spliced(input, at, at, long);
  // From which byte it is read, and how many come at a time.
  const size = once(2) ? log.length || 1 : int(1, 9) + (long.length >> 3);
  return { variant: `${once(3) ? below(log.length + 1) : 0} ${size}`, input: log };
}

/** `position:length` of each record of a log's part. */
function walk(bytes: Uint8Array, base: number, from: number): string[] {
  const seen: string[] = [];
  // Around the part lie bytes that are not its own.
  const arena = new Uint8Array(bytes.length + 8).fill(0x0a);
  arena.set(bytes, 4);
  const lines = new LineRun({ bytes: arena, start: 4, end: 4 + bytes.length, base }, RECORD_TIME);
  lines.walk(offset(from), (buffer, start, end, at, time) => {
    if (buffer !== arena || start < 4 || end > 4 + bytes.length || time !== RECORD_TIME) {
      throw new Error(`a record at ${start} to ${end}, time ${time}, of ${bytes.length} bytes at 4`);
    }
    seen.push(`${at}:${end - start}`);
  });
  return seen;
}

function twin(bytes: Uint8Array, from: number): string[] {
  const seen: string[] = [];
  for (let start = 0, next = 0; start < bytes.length; start = next + 1) {
    for (next = start; next < bytes.length && bytes[next] !== 0x0a;) next++;
    const content = bytes.subarray(start, next > start && bytes[next - 1] === 0x0d ? next - 1 : next);
    const blank = content.every((byte) => byte === 0x20 || byte === 0x09);
    if (!blank && BASE + start >= from) seen.push(`${BASE + start}:${Math.min(content.length, LINE_BYTES_MAX + 1)}`);
  }
  return seen;
}

/** The records when `size` bytes come at a time and only whole lines are cut, but at the end of the log. */
function portions(bytes: Uint8Array, from: number, size: number): string[] {
  const seen: string[] = [];
  let start = 0;
  for (let have = size; have < bytes.length; have += size) {
    const end = start + wholeLinesEnd(bytes.subarray(start), have - start);
    seen.push(...walk(bytes.subarray(start, end), BASE + start, from));
    start = end;
  }
  return [...seen, ...walk(bytes.subarray(start), BASE + start, from)];
}

const judge: Judge = {
  check({ variant, input }) {
    const [skip, size] = variant.split(" ").map(Number) as [number, number];
    const from = BASE + skip, expected = twin(input, from).join(), outcome = expected === "" ? "blank" : "records";
    const found = walk(input, BASE, from).join();
    if (found !== expected) return faulty(outcome, `gives ${found}, the twin ${expected}`);
    const parts = portions(input, from, size).join();
    return parts === expected
      ? sound(outcome)
      : faulty(outcome, `gives ${parts} in portions of ${size}, else ${expected}`);
  },
};

export const linesTarget: Target = {
  name: "lines",
  holds: "a log gives the records of a plain loop, also when it comes in portions of any size",
  generate,
  open: () => judge,
  shares: { records: 0.5, blank: 0.05 },
  testCases: 10_000,
};
