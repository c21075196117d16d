/**
 * The file with all trust updates, a line each, as it is published. It is replaced as a whole: whoever copies
 * it meanwhile gets the old one or the new one.
 */
import { mkdtemp, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import { systemFiles } from "../../host/files.ts";
import { MAX_CHAIN_CHARACTERS } from "../../rotation/trust-update.ts";

/** @returns `undefined` when there is none. @throws AgentError `ERR_FILE_IO`. */
export async function readChain(path: string): Promise<string | undefined> {
  try {
    const bytes = await systemFiles.read(path, MAX_CHAIN_CHARACTERS);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new AgentError("ERR_FILE_IO", `--chain: can't read ${path}: ${errorText(cause)}`, {
      cause,
      fields: { path },
    });
  }
}

/** @throws AgentError `ERR_FILE_IO`; then the file is as it was. */
export async function replaceChain(path: string, text: string): Promise<void> {
  const directory = dirname(path);
  try {
    const closet = await mkdtemp(join(directory, ".new-"));
    try {
      const fresh = join(closet, "chain");
      {
        await using file = await open(fresh, "wx", 0o644);
        await file.writeFile(text);
        await file.sync();
      }
      await rename(fresh, path);
    } finally {
      await rm(closet, { recursive: true, force: true });
    }
    await using parent = await open(directory, "r");
    await parent.sync();
  } catch (cause) {
    throw new AgentError("ERR_FILE_IO", `can't write ${path}: ${errorText(cause)}`, {
      cause,
      fields: { path },
    });
  }
}
