/**
 * Reads text files strictly: what is not UTF-8 is an error, not question marks.
 */
import { readFile } from "node:fs/promises";

/** Rejects with Node's own error (`ENOENT`, `EACCES`, `EISDIR`, ...) or a TypeError that is no text. */
export async function readTextFile(path: string): Promise<string> {
  return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
}
