// "Did you mean …": the known name nearest to a misspelt one. No I/O. No library: the small ones count two swapped letters as two mistakes.

/** Edits between two words: insertion, deletion, substitution, swap of neighbours (optimal string alignment distance). */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}

/** The known name nearest to `name` within `edits`, or `undefined`. Case and `-` for `_` do not count as edits. */
export function nearest(name: string, known: Iterable<string>, edits: number): string | undefined {
  const plain = (word: string) => word.toLowerCase().replaceAll("-", "_");
  let found: string | undefined;
  let least = edits;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > edits) continue;
    const distance = editDistance(plain(name), plain(candidate));
    if (distance < least || (distance === least && found === undefined)) {
      found = candidate;
      least = distance;
    }
  }
  return found;
}

/** `; did you mean …?`, or "" if more than a third of the letters would be wrong. */
export function suggestion(name: string, known: Iterable<string>): string {
  const found = nearest(name, known, Math.max(1, Math.floor(name.length / 3)));
  return found === undefined ? "" : `; did you mean ${found}?`;
}
