/**
 * The candidates most similar to `word`, best first: those that begin with it, then those within so many typing mistakes, of
 * equal ones that which begins as the word does for longer. By default, one mistake for three letters.
 */
export function nearest(
  word: string,
  candidates: readonly string[],
  count: number,
  mistakes = Math.max(1, Math.floor(Math.min(word.length, 64) / 3)),
): string[] {
  // No candidate is longer. The cost is quadratic, so long input must be cut.
  const wanted = word.slice(0, 64).toLowerCase();
  return candidates
    .map((candidate) => {
      const name = candidate.toLowerCase();
      if (wanted.length > 2 && name.startsWith(wanted)) return { candidate, distance: 0 };
      const isPossible = Math.abs(wanted.length - name.length) <= mistakes;
      return { candidate, distance: isPossible ? distance(wanted, name) : Number.POSITIVE_INFINITY };
    })
    .filter((entry) => entry.distance <= mistakes)
    .sort(
      (a, b) =>
        a.distance - b.distance || sharedStart(wanted, b.candidate) - sharedStart(wanted, a.candidate),
    )
    .slice(0, count)
    .map((entry) => entry.candidate);
}

function sharedStart(word: string, candidate: string): number {
  const name = candidate.toLowerCase();
  let length = 0;
  while (length < word.length && word[length] === name[length]) length++;
  return length;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string alignment). */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        at(last, j) + 1,
        at(row, j - 1) + 1,
        at(last, j - 1) + (same ? 0 : 1),
        swapped ? at(beforeLast, j - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [beforeLast, last] = [last, row];
  }
  return at(last, b.length);
}

const at = (row: readonly number[], index: number): number => row[index] ?? Number.POSITIVE_INFINITY;
