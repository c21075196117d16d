/**
 * Space set aside while there is some, so that a rotation succeeds on a disk that something else has
 * filled: a file of random bytes (which no file system can compress away) that is removed when a
 * write finds no space, and made again afterwards. It sets an inode aside, too.
 *
 * On a copy-on-write file system removing it may free its space only later; there it is a better
 * chance, not a promise.
 */
import { join } from "node:path";
import type { Random } from "../../host/random.ts";
import type { StateDisk } from "../../host/state-disk.ts";
import { at } from "./store-error.ts";
import { TEMPORARY } from "./whole-file.ts";

export const RESERVE_NAME = "reserve";

const BLOCK = 4096;
/** A usual generation is 6 to 12 KiB; two of them and a slot fit several times. */
const MIN_TARGET = 64 * 1024;
/** Less would not hold a generation and is not worth an inode. */
const MIN_BYTES = 16 * 1024;

export class SpaceReserve {
  readonly #disk: StateDisk;
  readonly #dir: string;
  readonly #random: Random;
  #bytes: number;

  constructor(disk: StateDisk, dir: string, random: Random, bytes: number) {
    this.#disk = disk;
    this.#dir = dir;
    this.#random = random;
    this.#bytes = bytes;
  }

  /** What is set aside now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it would hold two generations like the largest one. */
  suffices(largestBytes: number): boolean {
    return this.#bytes >= target(largestBytes);
  }

  /**
   * Sets space aside for two generations like the largest one, or what there is when there is less.
   *
   * @throws AgentError `ERR_STORE_*`; then nothing is set aside.
   */
  async ensure(largestBytes: number): Promise<void> {
    if (this.suffices(largestBytes)) return;
    const path = join(this.#dir, RESERVE_NAME);
    const { bytes, files } = await at(this.#dir, () => this.#disk.free(this.#dir));
    // What is set aside already counts: it is replaced. One block stays for the directory.
    const room = Math.floor(bytes / BLOCK) * BLOCK - BLOCK;
    const size = Math.min(target(largestBytes), room);
    if (size < MIN_BYTES || size <= this.#bytes || files < 1) return;
    const temporary = `${path}${TEMPORARY}`;
    try {
      await at(temporary, async () => {
        if ((await this.#disk.look(temporary)) !== undefined) await this.#disk.remove(temporary);
        await using file = await this.#disk.create(temporary);
        await file.write(this.#random.bytes(size), 0);
        // Space is given out when bytes reach the disk, not when they are written.
        await file.sync();
      });
      await at(path, () => this.#disk.rename(temporary, path));
      this.#bytes = size;
    } catch (error) {
      await this.#disk.remove(temporary).catch(() => undefined);
      throw error;
    }
  }

  /** Its file is gone: nothing is set aside. */
  lost(): void {
    this.#bytes = 0;
  }

  /** Gives the space back to the file system, for a write that needs it. */
  async release(): Promise<void> {
    const path = join(this.#dir, RESERVE_NAME);
    await at(path, () => this.#disk.remove(path));
    this.#bytes = 0;
    // Freed blocks can be given out again once the journal has recorded that they are free.
    await at(this.#dir, () => this.#disk.syncDirectory(this.#dir));
  }
}

function target(largestBytes: number): number {
  return Math.max(MIN_TARGET, Math.ceil((2 * largestBytes) / BLOCK) * BLOCK);
}
