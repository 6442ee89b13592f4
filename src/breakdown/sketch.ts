// Updates of sketches: which register a visitor sets, and to which rank. The database merges updates and estimates (ddl/0011_breakdown.sql). Pure.
// HyperLogLog over keyed hashes: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog" (AofA 2007), with 64-bit hashes as in Heule, Nunkesser, Hall,
// "HyperLogLog in Practice" (EDBT 2013). A register only rises, so updates may come in any order and any number of times.

/** Bits of a hash that choose the register. The standard error is 1.04 / sqrt(2^14) = 0.81 %. */
export const PRECISION = 14;

const UPPER_RANK_BITS = 32 - PRECISION;

/**
 * One update as a number: register × 64 + rank. So it fits 20 bits, sorts by register, and the greatest of equal registers is the one that
 * counts.
 *
 * @param high upper 32 bits of a hash
 * @param low lower 32 bits
 */
export function updateOf(high: number, low: number): number {
  const register = high >>> UPPER_RANK_BITS;
  const upper = (high << PRECISION) >>> PRECISION;
  const rank = upper !== 0
    ? Math.clz32(upper) - PRECISION + 1
    : UPPER_RANK_BITS + (low === 0 ? 32 : Math.clz32(low)) + 1;
  return register * 64 + rank;
}

export const registerOf = (update: number) => update >>> 6;
export const rankOf = (update: number) => update & 63;
