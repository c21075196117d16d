/**
 * Writes files that belong together: all of them, or none; never over a file that is there.
 *
 * They are written and synced in a directory of their own beside their place, and only then given
 * their names by link(2), which fails if a name is taken. A reader never sees half a file.
 */
import { link, lstat, mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";

export interface NewFile {
  readonly name: string;
  readonly content: string | Uint8Array;
  /** Permission bits; 0o600 for keys. */
  readonly mode: number;
}

/**
 * @param directory Absolute; made with mode 0700 if it is missing.
 * @throws AgentError `ERR_FILE_EXISTS` that names the file in the way; `ERR_FILE_IO`. Nothing is left
 *   behind in either case.
 */
export async function writeFileSet(directory: string, files: readonly NewFile[]): Promise<void> {
  const linked: string[] = [];
  try {
    for (const { name } of files) await assertAbsent(join(directory, name));
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const closet = await mkdtemp(join(directory, ".new-"));
    try {
      for (const [at, file] of files.entries()) await writeWhole(join(closet, String(at)), file);
      for (const [at, { name }] of files.entries()) {
        await linkNew(join(closet, String(at)), join(directory, name));
        linked.push(join(directory, name));
      }
    } finally {
      await rm(closet, { recursive: true, force: true });
    }
    await syncDirectory(directory);
  } catch (cause) {
    for (const path of linked) await rm(path, { force: true });
    if (cause instanceof AgentError) throw cause;
    throw new AgentError("ERR_FILE_IO", `cannot write to ${directory}: ${errorText(cause)}`, {
      cause,
    });
  }
}

async function assertAbsent(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    throw cause;
  }
  throw inTheWay(path);
}

/** Somebody may have taken the name since it was looked at. */
async function linkNew(from: string, path: string): Promise<void> {
  try {
    await link(from, path);
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).code === "EEXIST" ? inTheWay(path) : cause;
  }
}

function inTheWay(path: string): AgentError {
  return new AgentError("ERR_FILE_EXISTS", `${path} exists; microedge does not overwrite it`, {
    fields: { path, fix: "choose another name, or move the file away; nothing was written" },
  });
}

async function writeWhole(path: string, { content, mode }: NewFile): Promise<void> {
  await using file = await open(path, "wx", mode);
  await file.writeFile(content);
  await file.sync();
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}
