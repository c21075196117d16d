/**
 * Keys without a certificate yet, and notes, on disk: small files that are replaced as wholes.
 */
import { join } from "node:path";
import { AgentError } from "../../base/errors.ts";
import type { StateDisk } from "../../host/state-disk.ts";
import { assertName, decodeNote, encodeNote, MAX_NAMED_BYTES, MAX_NOTES } from "./named-file.ts";
import { at } from "./store-error.ts";
import { writeWhole } from "./whole-file.ts";

/** Removes a file and makes that durable. */
export async function removeDurably(disk: StateDisk, dir: string, name: string): Promise<void> {
  const path = join(dir, name);
  // It may be gone already, from a try whose sync failed.
  const there = (await disk.look(path)) !== undefined;
  if (there) await at(path, () => disk.remove(path));
  await at(dir, () => disk.syncDirectory(dir));
}

export class Notes {
  readonly #disk: StateDisk;
  readonly #dir: string;
  readonly #names: Set<string>;
  /**
   * What counts after a change that failed, until one succeeds: the file may hold either. `undefined`
   * is a note that was not there.
   */
  readonly #undone = new Map<string, Uint8Array | undefined>();

  constructor(disk: StateDisk, dir: string, names: ReadonlySet<string>) {
    this.#disk = disk;
    this.#dir = dir;
    this.#names = new Set(names);
  }

  get names(): readonly string[] {
    return [...this.#names];
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    assertName(name);
    if (this.#undone.has(name)) return this.#undone.get(name);
    if (!this.#names.has(name)) return undefined;
    const path = join(this.#dir, `note-${name}`);
    const outcome = decodeNote(await at(path, () => this.#disk.read(path, MAX_NAMED_BYTES)));
    if (outcome.kind === "whole") return outcome.value;
    throw new AgentError("ERR_STORE_CORRUPT", `${path} is ${outcome.kind}`, { fields: { path } });
  }

  /** @returns Whether anything had to be written. */
  async write(name: string, bytes: Uint8Array): Promise<boolean> {
    const encoded = encodeNote(bytes);
    const old = await this.#readOrDamaged(name);
    if (old !== undefined && old !== "damaged" && Buffer.compare(old, bytes) === 0) {
      if (!this.#undone.has(name)) return false;
    }
    if (!this.#names.has(name) && this.#names.size >= MAX_NOTES) {
      throw new AgentError("ERR_STORE_CONTENT", `there are ${MAX_NOTES} notes already`);
    }
    const write = (): Promise<void> => writeWhole(this.#disk, this.#dir, `note-${name}`, encoded);
    await this.#change(name, old === "damaged" ? undefined : old, write);
    this.#names.add(name);
    return true;
  }

  async drop(name: string): Promise<void> {
    assertName(name);
    if (!this.#names.has(name)) return;
    const old = await this.#readOrDamaged(name);
    const remove = (): Promise<void> => removeDurably(this.#disk, this.#dir, `note-${name}`);
    await this.#change(name, old === "damaged" ? undefined : old, remove);
    this.#names.delete(name);
  }

  clear(): void {
    this.#names.clear();
    this.#undone.clear();
  }

  async #change(
    name: string,
    old: Uint8Array | undefined,
    change: () => Promise<void>,
  ): Promise<void> {
    try {
      await change();
      this.#undone.delete(name);
    } catch (error) {
      this.#undone.set(name, old);
      throw error;
    }
  }

  async #readOrDamaged(name: string): Promise<Uint8Array | undefined | "damaged"> {
    try {
      return await this.read(name);
    } catch (error) {
      // What is damaged is replaced by what is to be written.
      if (error instanceof AgentError && error.code === "ERR_STORE_CORRUPT") return "damaged";
      throw error;
    }
  }
}
