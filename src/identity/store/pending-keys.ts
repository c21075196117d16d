/**
 * Keys that have no certificate yet: each a small file, all of them in memory, too.
 */
import { AgentError } from "../../base/errors.ts";
import type { StateDisk } from "../../host/state-disk.ts";
import type { KeyReference } from "../keys/key-provider.ts";
import { assertName, encodeKey, MAX_KEYS } from "./named-file.ts";
import { removeDurably } from "./named-files.ts";
import { writeWhole } from "./whole-file.ts";

export class PendingKeys {
  readonly #disk: StateDisk;
  readonly #dir: string;
  readonly #keys: Map<string, KeyReference>;

  constructor(disk: StateDisk, dir: string, keys: ReadonlyMap<string, KeyReference>) {
    this.#disk = disk;
    this.#dir = dir;
    this.#keys = new Map(keys);
  }

  get all(): ReadonlyMap<string, KeyReference> {
    return new Map(this.#keys);
  }

  async keep(name: string, key: KeyReference): Promise<void> {
    assertName(name);
    const encoded = encodeKey(key);
    const old = this.#keys.get(name);
    if (old !== undefined && Buffer.compare(encodeKey(old), encoded) === 0) return;
    if (old === undefined && this.#keys.size >= MAX_KEYS) {
      const hint = "drop one that no request waits for";
      throw new AgentError("ERR_STORE_CONTENT", `there are ${MAX_KEYS} keys already; ${hint}`);
    }
    await writeWhole(this.#disk, this.#dir, `key-${name}`, encoded);
    this.#keys.set(name, key);
  }

  async drop(name: string): Promise<void> {
    assertName(name);
    if (!this.#keys.has(name)) return;
    await removeDurably(this.#disk, this.#dir, `key-${name}`);
    this.#keys.delete(name);
  }

  clear(): void {
    this.#keys.clear();
  }
}
