/**
 * A disk on which everything that is made belongs to one user, whoever makes it: what root's commands
 * leave behind, the agent could not read otherwise.
 */
import type { DiskEntry, StateDisk } from "./state-disk.ts";

/** @param owner As found on the directory that things are made in. Only root can give away. */
export function ownedDisk(
  disk: StateDisk,
  { uid, gid }: Pick<DiskEntry, "uid" | "gid">,
): StateDisk {
  if (uid === disk.user) return disk;
  return {
    ...disk,
    create: async (path) => {
      const file = await disk.create(path);
      try {
        await disk.setOwner(path, uid, gid);
        return file;
      } catch (error) {
        await file[Symbol.asyncDispose]();
        throw error;
      }
    },
    makeDirectory: async (path) => {
      await disk.makeDirectory(path);
      await disk.setOwner(path, uid, gid);
    },
  };
}
