/**
 * The known name that a mistyped one probably means, for "did you mean".
 */
import { editDistance } from "../base/edit-distance.ts";

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
