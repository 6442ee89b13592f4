// Positions in a log of several files, packed into one integer: there and back, in order, and nothing outside the bounds.
import { BugError } from "../../src/shared/errors.ts";
import { offset } from "../../src/shared/units.ts";
import {
  type FilePosition,
  GENERATION_BYTES_MAX,
  GENERATIONS_MAX,
  packPosition,
  unpackPosition,
} from "../../src/source/file/position.ts";
import { type Below, chanceOf } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf } from "./target.ts";

function generate(below: Below): Case {
  const { pick, once } = chanceOf(below);
  const generation = () => once(2) ? pick([1, 2, GENERATIONS_MAX - 1, GENERATIONS_MAX]) : 1 + below(GENERATIONS_MAX);
  const byte = () =>
    once(2) ? pick([0, 1, 2 ** 32, GENERATION_BYTES_MAX - 1]) : below(2 ** 18) * 2 ** 18 + below(2 ** 18);
  const odd = () => pick([0, -1, 1.5, NaN, Infinity, GENERATIONS_MAX + 1, GENERATION_BYTES_MAX, 2 ** 53]);
  const numbers = [generation(), byte(), generation(), byte()];
  if (once(4)) numbers[below(4)] = odd();
  return textCase(numbers.join(" "));
}

const within = ({ generation, byte }: FilePosition) =>
  Number.isInteger(generation) && Number.isInteger(byte) && generation >= 1 && generation <= GENERATIONS_MAX &&
  byte >= 0 && byte < GENERATION_BYTES_MAX;

const judge: Judge = {
  check(given) {
    const [a, b, c, d] = textOf(given).split(" ").map(Number) as [number, number, number, number];
    const positions = [{ generation: a, byte: b }, { generation: c, byte: d }] as const;
    const packed = positions.map((position) => {
      try {
        return packPosition(position);
      } catch (error) {
        if (error instanceof BugError) return null;
        throw error;
      }
    });
    for (const [i, position] of positions.entries()) {
      const one = packed[i]!;
      if ((one !== null) !== within(position)) {
        return faulty("position", `${JSON.stringify(position)} is packed as ${one}`);
      }
      if (one === null) return sound("refused");
      const exact = BigInt(position.generation) * BigInt(GENERATION_BYTES_MAX) + BigInt(position.byte);
      if (BigInt(one) !== exact || !Number.isSafeInteger(one)) {
        return faulty("position", `${JSON.stringify(position)} is packed as ${one}, exactly ${exact}`);
      }
      const back = unpackPosition(one);
      if (back.generation !== position.generation || back.byte !== position.byte) {
        return faulty("position", `${JSON.stringify(position)} comes back as ${JSON.stringify(back)}`);
      }
    }
    const [first, second] = positions;
    const order = Math.sign(first.generation - second.generation || first.byte - second.byte);
    if (Math.sign(packed[0]! - packed[1]!) !== order) {
      return faulty("position", `${JSON.stringify(positions)} are packed in another order`);
    }
    const start = unpackPosition(offset(b));
    if (start.generation !== 1 || start.byte !== 0) {
      return faulty("position", `${b} is below the first file and unpacked as ${JSON.stringify(start)}`);
    }
    return sound("position");
  },
};

export const filePositionTarget: Target = {
  name: "file-position",
  holds:
    "a position of a file log comes back from its packed form, in the same order, and nothing outside the bounds is packed",
  generate,
  open: () => judge,
  shares: { position: 0.5, refused: 0.1 },
  testCases: 10_000,
};
