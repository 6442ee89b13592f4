// The bytes of a sketch: what is read is written again as the same bytes; anything else is refused.
import { RANK_MAX, REGISTERS, sketchBytes, SPARSE_UPDATES_MAX, updatesOfBytes } from "../support/sketch.ts";
import { type Below, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target } from "./target.ts";

function generate(below: Below): Case {
  const { once, int } = chanceOf(below);
  const count = once(50) ? int(SPARSE_UPDATES_MAX - 2, SPARSE_UPDATES_MAX + 2) : int(0, 40);
  const updates = Array.from({ length: count }, () => below(REGISTERS) * 64 + int(1, RANK_MAX));
  // As many registers as updates, so that the form changes.
  const apart = count > 40 ? updates.map((_, i) => i * 64 + int(1, RANK_MAX)) : updates;
  const bytes = sketchBytes(apart);
  return { variant: "", input: once(2) ? bytes : mutated(bytes, below) };
}

const judge: Judge = {
  check({ input }) {
    const updates = updatesOfBytes(input);
    if (updates === undefined) return sound("refused");
    const written = sketchBytes(updates);
    const isSame = written.length === input.length && written.every((byte, i) => byte === input[i]);
    return isSame ? sound("sketch") : faulty("sketch", `is written again as ${written.length} other bytes`);
  },
};

export const sketchTarget: Target = {
  name: "sketch",
  holds: "the bytes of a sketch that are read are written again as the same bytes",
  generate,
  open: () => judge,
  shares: { sketch: 0.3, refused: 0.1 },
  testCases: 5_000,
};
