/**
 * The known name that a mistyped one probably means, for "did you mean".
 */

/**
 * Returns the name nearest to `typed` by edits (insert, delete, replace, swap of neighbours), case,
 * hyphens and underscores aside; `undefined` when none is near enough to be what was meant.
 */
export function nearest(typed: string, names: Iterable<string>): string | undefined {
  const plain = simplify(typed);
  let best: string | undefined;
  let bestEdits = Math.floor(Math.max(plain.length, 4) * 0.4) + 1;
  for (const name of names) {
    const edits = editDistance(plain, simplify(name));
    if (edits < bestEdits) [best, bestEdits] = [name, edits];
  }
  return best;
}

function simplify(name: string): string {
  return name.slice(0, 80).toLowerCase().replace(/[-_]/g, "");
}

/** Optimal string alignment distance, in O(a·b) time and three rows of memory. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let edits = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        edits = Math.min(edits, (before[j - 2] ?? 0) + 1);
      }
      row.push(edits);
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
