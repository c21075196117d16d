/**
 * Whether two paths lead to one file, by whatever links.
 */
import { stat } from "node:fs/promises";

/** Paths that can't be looked at lead nowhere, and so to different files unless they are equal. */
export async function sameFile(one: string, other: string): Promise<boolean> {
  if (one === other) return true;
  try {
    const [a, b] = await Promise.all([stat(one), stat(other)]);
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}
