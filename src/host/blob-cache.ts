/**
 * A directory of a few small files that the agent may lose but had better not: each is replaced whole,
 * and is there after a power cut (write, sync, rename, sync of the directory).
 */
import { mkdir, open, readdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { systemFiles } from "./files.ts";

export interface BlobCache {
  /** Where it is, for people. */
  readonly place: string;
  /** `undefined` when there is none. Rejects with Node's error, or `RangeError` when it is larger than `maxBytes`. */
  read(name: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Resolves when it is durable. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Removes every file that `keep` says no to, unfinished ones too. */
  sweep(keep: (name: string) => boolean): Promise<void>;
}

/** Creates the directory on the first write. */
export function openBlobCache(dir: string): BlobCache {
  return {
    place: dir,
    async read(name, maxBytes) {
      try {
        return await systemFiles.read(join(dir, name), maxBytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
    async write(name, bytes) {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const unfinished = join(dir, `${name}.next`);
      {
        await using file = await open(unfinished, "w", 0o600);
        await file.writeFile(bytes);
        await file.sync();
      }
      await rename(unfinished, join(dir, name));
      await using directory = await open(dir, "r");
      await directory.sync();
    },
    async sweep(keep) {
      let names: readonly string[];
      try {
        names = await readdir(dir);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
        throw error;
      }
      for (const name of names) if (!keep(name)) await unlink(join(dir, name));
    },
  };
}
