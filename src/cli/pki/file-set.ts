/**
 * Writes files that belong together: all of them, or none; never over a file that is there.
 *
 * Each is written under a temporary name beside its place, synced, and only then given its name by
 * link(2), which fails if the name is taken. A reader never sees half a file.
 */
import { link, lstat, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";

export interface NewFile {
  readonly path: string;
  readonly text: string;
  /** Permission bits; 0o600 for keys. */
  readonly mode: number;
}

/**
 * @throws AgentError `ERR_FILE_EXISTS` that names the file in the way; `ERR_FILE_IO`. Nothing is left
 *   behind in either case.
 */
export async function writeFileSet(files: readonly NewFile[]): Promise<void> {
  const linked: string[] = [];
  const temporary = files.map(({ path }) => `${path}.part`);
  try {
    for (const { path } of files) await assertAbsent(path);
    for (const [at, file] of files.entries()) {
      await makeDirectory(dirname(file.path));
      await writeWhole(temporary[at] ?? "", file);
    }
    for (const [at, { path }] of files.entries()) {
      await link(temporary[at] ?? "", path);
      linked.push(path);
    }
    for (const directory of new Set(files.map(({ path }) => dirname(path)))) {
      await syncDirectory(directory);
    }
  } catch (cause) {
    for (const path of linked) await rm(path, { force: true });
    if (cause instanceof AgentError) throw cause;
    const { code, dest, path } = cause as NodeJS.ErrnoException & { dest?: string };
    if (code === "EEXIST") throw inTheWay(dest ?? path ?? "a file");
    throw new AgentError("ERR_FILE_IO", `cannot write: ${errorText(cause)}`, { cause });
  } finally {
    for (const path of temporary) await rm(path, { force: true });
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

function inTheWay(path: string): AgentError {
  return new AgentError("ERR_FILE_EXISTS", `${path} exists; microedge does not overwrite it`, {
    fields: { path, fix: "choose another name, or move the file away; nothing was written" },
  });
}

async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

async function writeWhole(path: string, { text, mode }: NewFile): Promise<void> {
  // A part file is nobody's: only a killed command leaves one.
  await rm(path, { force: true });
  await using file = await open(path, "wx", mode);
  await file.writeFile(text);
  await file.sync();
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}
