// Finds known texts that are similar to a misspelt one. Pure.
import { editDistance } from "../../../shared/config/suggest.ts";

/** Texts that are offered. */
const OFFERED_MAX = 3;
/** Of longer texts, only parts are compared. */
const LETTERS_MAX = 80;

/** Those of `known`, which are in order of weight, that are most like `text`: the same but for case, one within the other, or few letters apart. */
export function alike(text: string, known: readonly string[]): string[] {
  const wanted = text.toLowerCase();
  const distance = (candidate: string) => {
    const other = candidate.toLowerCase();
    if (other === wanted) return 0;
    if (other !== "" && wanted !== "" && (other.includes(wanted) || wanted.includes(other))) return 1;
    const edits = Math.max(2, Math.floor(wanted.length / 4));
    if (wanted.length > LETTERS_MAX || Math.abs(other.length - wanted.length) > edits) return Infinity;
    const found = editDistance(wanted, other);
    return found <= edits ? 1 + found : Infinity;
  };
  return known.filter((candidate) => candidate !== text).map((candidate) => ({ candidate, at: distance(candidate) }))
    .filter(({ at }) => at < Infinity).sort((a, b) => a.at - b.at).slice(0, OFFERED_MAX).map(({ candidate }) =>
      candidate
    );
}
