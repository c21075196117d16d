/**
 * Writes a file as a whole: temporary file, sync, read back, rename, sync of the directory. A reader
 * finds the old file or the new one after a power cut at any moment; once this resolves, the new one.
 *
 * Both syncs are needed: without the first the name may lead to an empty file, without the second the
 * name may lead to the old one though the new was reported as written.
 */
import { join } from "node:path";
import { AgentError } from "../../base/errors.ts";
import type { StateDisk } from "../../host/state-disk.ts";
import { at } from "./store-error.ts";

export const TEMPORARY = ".tmp";

/**
 * @throws AgentError `ERR_STORE_*`. What was begun is removed where the disk lets it. When only the
 *   last step failed, the name may lead to either file after a restart.
 */
export async function writeWhole(
  disk: StateDisk,
  dir: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const path = join(dir, name);
  const temporary = `${path}${TEMPORARY}`;
  try {
    await at(temporary, async () => {
      // Never the same file again: after a failed sync its pages count as clean though they are not.
      if ((await disk.look(temporary)) !== undefined) await disk.remove(temporary);
      await using file = await disk.create(temporary);
      await file.write(bytes, 0);
      await file.sync();
    });
    await assertSame(disk, temporary, bytes);
    await at(path, () => disk.rename(temporary, path));
  } catch (error) {
    // The first error is the one to tell; a leftover is removed at the next opening.
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
  await at(dir, () => disk.syncDirectory(dir));
}

/** @throws AgentError `ERR_STORE_IO` when the file does not begin with these bytes. */
export async function assertSame(disk: StateDisk, path: string, bytes: Uint8Array): Promise<void> {
  const found = await at(path, () => disk.read(path, Number.MAX_SAFE_INTEGER));
  if (Buffer.compare(found.subarray(0, bytes.length), bytes) === 0) return;
  throw new AgentError("ERR_STORE_IO", `${path}: what is read is not what was written`, {
    fields: { path, errno: "EIO" },
  });
}
