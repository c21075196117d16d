/**
 * Reads text files strictly: what is not UTF-8 is an error, not question marks.
 */
import { readFile } from "node:fs/promises";
import { systemFiles } from "./files.ts";

/** Rejects with Node's own error (`ENOENT`, `EACCES`, `EISDIR`, ...) or a TypeError that is no text. */
export async function readTextFile(path: string): Promise<string> {
  return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
}

/** As {@link readTextFile}, but never a pipe or a device, and at most `maxBytes`; see `Files.read`. */
export async function readBoundedTextFile(path: string, maxBytes: number): Promise<string> {
  const bytes = await systemFiles.read(path, maxBytes);
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}
