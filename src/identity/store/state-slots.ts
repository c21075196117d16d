/**
 * The state record on disk: two slots that are written in turn, in place, each with its own checksum,
 * so that one of them is whole at any moment. They have their size from the beginning: to write one
 * needs no space, no new name and no journal, only one page and one sync.
 *
 * The two are files of their own, so that what befalls one file does not befall both.
 */
import { join } from "node:path";
import type { StateDisk } from "../../host/state-disk.ts";
import { encodeState, SLOT_BYTES, type StateFormat, type StateRecord } from "./state-record.ts";
import { at } from "./store-error.ts";
import { assertSame, writeWhole } from "./whole-file.ts";

export const SLOT_NAMES = ["state-0", "state-1"] as const;

export class StateSlots {
  readonly #disk: StateDisk;
  readonly #dir: string;
  readonly #format: StateFormat;
  /** Of each slot, by sequence; `undefined`: damaged, missing, or not to be trusted after an error. */
  readonly #held: [number | undefined, number | undefined];
  #sequence: number;

  constructor(
    disk: StateDisk,
    dir: string,
    format: StateFormat,
    held: readonly [number | undefined, number | undefined],
  ) {
    this.#disk = disk;
    this.#dir = dir;
    this.#format = format;
    this.#held = [...held];
    this.#sequence = Math.max(0, ...held.map((sequence) => sequence ?? 0));
  }

  /** Both slots hold a whole record. */
  get sound(): boolean {
    return this.#held[0] !== undefined && this.#held[1] !== undefined;
  }

  /** The files may be gone: both are replaced by new ones at the next two writes. */
  lost(): void {
    this.#held[0] = undefined;
    this.#held[1] = undefined;
  }

  /**
   * Writes a record over the older slot.
   *
   * After an error the slot that was being written is never written in place again: a failed sync
   * leaves the kernel believing that it is clean. It is replaced by a new file at the next write,
   * and until then the other slot stays untouched.
   *
   * @throws AgentError `ERR_STORE_*`; the record before is still in the other slot.
   */
  async write(record: StateRecord): Promise<StateRecord> {
    this.#sequence += 1;
    const written = { ...record, sequence: this.#sequence };
    const slot = this.#target();
    const inPlace = this.#held[slot] !== undefined;
    this.#held[slot] = undefined;
    const bytes = encodeState(written, this.#format);
    if (inPlace) await this.#overwrite(slot, bytes);
    else await this.#replace(slot, bytes);
    this.#held[slot] = this.#sequence;
    return written;
  }

  #target(): 0 | 1 {
    const [first, second] = this.#held;
    if (first === undefined) return 0;
    if (second === undefined) return 1;
    return first < second ? 0 : 1;
  }

  async #overwrite(slot: 0 | 1, bytes: Uint8Array): Promise<void> {
    const path = join(this.#dir, SLOT_NAMES[slot]);
    await at(path, async () => {
      await using file = await this.#disk.open(path);
      await file.write(bytes, 0);
      await file.syncBytes();
    });
    await assertSame(this.#disk, path, bytes);
  }

  async #replace(slot: 0 | 1, bytes: Uint8Array): Promise<void> {
    const whole = new Uint8Array(SLOT_BYTES);
    whole.set(bytes);
    await writeWhole(this.#disk, this.#dir, SLOT_NAMES[slot], whole);
  }
}
