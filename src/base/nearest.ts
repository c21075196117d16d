/** For misspelt names: the known one that was probably meant ("did you mean"). One rule for all. */
import { editDistance } from "./edit-distance.ts";

/** Longer names are not compared: the cost grows with the square. */
const MAX_COMPARED = 80;

/**
 * The name among `names` that the fewest edits (insert, delete, replace, swap of neighbours) turn
 * `typed` into, case, hyphens and underscores aside; `undefined` when even that one takes more than a third
 * of its length, or when `typed` is empty or longer than 80 characters. One edit is always near enough; of
 * equally near names the one that is spelt more alike.
 */
export function nearest(typed: string, names: Iterable<string>): string | undefined {
  const plain = simplify(typed);
  if (plain === "" || typed.length > MAX_COMPARED) return undefined;
  let best: { readonly name: string; readonly edits: number } | undefined;
  for (const name of names) {
    if (name.length > MAX_COMPARED) continue;
    const known = simplify(name);
    const edits = editDistance(plain, known);
    if (edits > Math.max(1, known.length / 3)) continue;
    const tied =
      edits === best?.edits && editDistance(typed, name) < editDistance(typed, best.name);
    if (best === undefined || edits < best.edits || tied) best = { name, edits };
  }
  return best?.name;
}

function simplify(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, "");
}
