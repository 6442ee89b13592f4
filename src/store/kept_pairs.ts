// Which pairs of a chunk are sent where a host has more values than an open window keeps: a flood of new values must cost little. Pure.
import type { PairTable } from "../window/pair_table.ts";

/**
 * A flag for each pair: 1 = it is sent. Of each host these are the `most` pairs with the most hits, and of equal ones those that were seen
 * first. `null` if all are.
 */
export function keptPairs(
  { size, host, pairHits }: Pick<PairTable, "size" | "host" | "pairHits">,
  most: number,
): Uint8Array | null {
  if (size <= most) return null;
  const values = new Map<number, number>();
  for (let i = 0; i < size; i++) values.set(host[i]!, (values.get(host[i]!) ?? 0) + 1);
  const crowded = [...values].filter(([, count]) => count > most);
  if (crowded.length === 0) return null;
  const kept = new Uint8Array(size).fill(1);
  for (const [id, count] of crowded) {
    const hits = new Int32Array(count);
    for (let i = 0, n = 0; i < size; i++) if (host[i] === id) hits[n++] = pairHits[i]!;
    hits.sort();
    const least = hits[count - most]!;
    // Of those with the least hits only so many are kept as there is room beside the larger ones.
    let room = 0;
    for (let n = count - most; n < count && hits[n] === least; n++) room++;
    for (let i = 0; i < size; i++) {
      if (host[i] === id && (pairHits[i]! < least || (pairHits[i] === least && room-- <= 0))) kept[i] = 0;
    }
  }
  return kept;
}
