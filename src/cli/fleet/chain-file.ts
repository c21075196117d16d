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

/**
 * Nobody else signs for the chain until it is given back: two that read the same chain would sign the same
 * number, and the last to write would win. By a file beside it, which a process that is killed leaves behind.
 *
 * @throws AgentError `ERR_FILE_EXISTS` when another has it; `ERR_FILE_IO`.
 */
export async function lockChain(path: string): Promise<AsyncDisposable> {
  const lock = `${path}.lock`;
  try {
    await using file = await open(lock, "wx", 0o644);
    await file.writeFile(`${process.pid}\n`);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") {
      const fix = `give the command again when the other has ended; if none runs any more: rm ${lock}`;
      throw new AgentError("ERR_FILE_EXISTS", `another process signs for this chain: ${lock}`, {
        cause,
        fields: { path: lock, fix },
      });
    }
    throw new AgentError("ERR_FILE_IO", `can't write ${lock}: ${errorText(cause)}`, {
      cause,
      fields: { path: lock },
    });
  }
  return { [Symbol.asyncDispose]: () => rm(lock, { force: true }) };
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
