/** For misspelt names: the known one that was probably meant. */
import { editDistance } from "../../base/edit-distance.ts";

/** Longer names are not compared: the cost grows with the square. */
const MAX_COMPARED = 64;

/**
 * The name among `known` that the fewest edits (insert, delete, replace, swap of neighbours) turn `name` into, case left
 * aside; `undefined` if even that one differs by more than a third of its length.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  if (name.length > MAX_COMPARED) return undefined;
  let nearest: string | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    if (candidate.length > MAX_COMPARED) continue;
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest && edits <= Math.max(1, candidate.length / 3)) {
      fewest = edits;
      nearest = candidate;
    }
  }
  return nearest;
}
