// The position of a reader in a log of several files, packed into the one integer that the engine stores, and where a log begins. Pure.
//
// offset = generation × 2^36 + byte. A generation is one file's content (it survives a rename or compression), numbered from 1 in reading
// order; byte is a position in its *uncompressed* content. So offsets rise, a rotation needs no new partition, and the end of a log is
// known without decompressing anything: it is (last generation + 1, 0) once the last one is finished.
import { invariant } from "../../shared/errors.ts";
import { type Offset, offset } from "../../shared/units.ts";
import { BEGINNING, type Generation, isAfterChange } from "./generations.ts";
import type { KnownGenerations } from "./known.ts";

/** One file may hold this many bytes of uncompressed content: 64 GiB. */
export const GENERATION_BYTES_MAX = 2 ** 36;
/** Generations that fit beside it below 2^53: 131,071, which is 14 years of hourly rotation. */
export const GENERATIONS_MAX = 2 ** 17 - 1;

/** A generation (from 1) and a byte in its uncompressed content. */
export interface FilePosition {
  readonly generation: number;
  readonly byte: number;
}

/** Packs a position. Greater positions give greater offsets. */
export function packPosition({ generation, byte }: FilePosition): Offset {
  invariant(
    Number.isInteger(generation) && generation >= 1 && generation <= GENERATIONS_MAX,
    `generation ${generation}`,
  );
  invariant(Number.isInteger(byte) && byte >= 0 && byte < GENERATION_BYTES_MAX, `byte ${byte} of a file`);
  return offset(generation * GENERATION_BYTES_MAX + byte);
}

/** Undoes {@link packPosition}. Offsets below generation 1 (a stream's plain 0) are the log's start. */
export function unpackPosition(packed: Offset): FilePosition {
  const generation = Math.floor(packed / GENERATION_BYTES_MAX);
  return generation < 1 ? { generation: 1, byte: 0 } : { generation, byte: packed % GENERATION_BYTES_MAX };
}

/** Generations below `number` that are to be read and are not finished, by rising number. */
export function unfinishedBefore(number: number, known: Iterable<Generation>): Generation[] {
  return [...known].filter(({ generation, finished }) => generation > BEGINNING && generation < number && !finished)
    .sort((a, b) => a.generation - b.generation);
}

/**
 * The first position behind which no byte of the log is missing. But a file that exists, and is not read to its end, is read before a missing file
 * that follows it: then the stream stops where the missing file begins. The same holds for a file that was edited.
 *
 * @param isThere whether the file of a generation is found or open
 */
export function startOf(
  known: Pick<KnownGenerations, "newest" | "get" | "all">,
  isThere: (generation: number) => boolean,
): Offset {
  const { newest } = known;
  const open = unfinishedBefore(newest + 1, known.all()).find(({ generation }) => isThere(generation));
  let first = packPosition({ generation: newest + 1, byte: 0 });
  for (let number = newest; number >= 1; number--) {
    const generation = known.get(number);
    if (generation === undefined) break;
    if (isThere(number)) {
      first = packPosition({ generation: number, byte: generation.fromByte });
      if (isAfterChange(generation) && (open === undefined || number <= open.generation)) return first;
    } else if (open === undefined || number < open.generation) {
      return generation.finished ? packPosition({ generation: number, byte: generation.sizeSeen }) : first;
    }
  }
  return first;
}
