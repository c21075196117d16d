/**
 * What a word that nobody knows was probably meant to be: a known one that it begins, else one that
 * it was mistyped from. Pure.
 */
import { nearest } from "../base/nearest.ts";

/** The rest of a sentence: `; did you mean "status"?`, or empty. */
export function suggestion(word: string, known: Iterable<string>, sign = ""): string {
  const names = [...known];
  const begun = word.length < 2 ? [] : names.filter((name) => name.startsWith(word));
  const meant = begun.length === 1 ? begun[0] : nearest(word, names);
  return meant === undefined ? "" : `; did you mean "${sign}${meant}"?`;
}
