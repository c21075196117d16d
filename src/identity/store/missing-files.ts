/**
 * Puts back what has vanished from under a running agent: the directory was removed, or its file system
 * unmounted. Memory holds what is in force; a restart would find nothing of it.
 */
import { dirname, join } from "node:path";
import type { StateDisk } from "../../host/state-disk.ts";
import { encodeGeneration, generationFileName, type StoredGeneration } from "./generation-file.ts";
import { RESERVE_NAME } from "./space-reserve.ts";
import { SLOT_NAMES } from "./state-slots.ts";
import { at } from "./store-error.ts";
import { writeWhole } from "./whole-file.ts";

export interface Missing {
  readonly generations: readonly string[];
  /** One of the two at least. */
  readonly slots: boolean;
  readonly reserve: boolean;
}

/**
 * Writes the generations anew whose files are gone, and makes the directory if that is gone, too; says
 * what was missing. Slots and reserve are left to those who keep them.
 *
 * @throws AgentError `ERR_STORE_*`
 */
export async function putBack(
  disk: StateDisk,
  dir: string,
  generations: ReadonlyMap<string, StoredGeneration>,
): Promise<Missing> {
  if ((await at(dir, () => disk.look(dir))) === undefined) {
    await at(dir, () => disk.makeDirectory(dir));
    await at(dirname(dir), () => disk.syncDirectory(dirname(dir)));
  }
  const isGone = async (name: string): Promise<boolean> =>
    (await at(dir, () => disk.look(join(dir, name)))) === undefined;
  const gone: string[] = [];
  for (const [id, generation] of generations) {
    const name = generationFileName(id);
    if (!(await isGone(name)) || !(await isGone(`${name}.bad`))) continue;
    await writeWhole(disk, dir, name, encodeGeneration(generation));
    gone.push(name);
  }
  const [first, second] = SLOT_NAMES;
  return {
    generations: gone,
    slots: (await isGone(first)) || (await isGone(second)),
    reserve: await isGone(RESERVE_NAME),
  };
}
