/**
 * The certificate store over a disk. Memory holds what is in force; a change is written first and
 * taken over into memory once it is durable, so that whatever the disk does, the agent goes on.
 */
import { join } from "node:path";
import type { AgentError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../host/clock.ts";
import type { Random } from "../../host/random.ts";
import type { StateDisk } from "../../host/state-disk.ts";
import type { KeyReference } from "../keys/key-provider.ts";
import type { CertificateStore, StoreHealth, StoreWear } from "./certificate-store.ts";
import { checkContent } from "./content-check.ts";
import type { Generation, GenerationContent, GenerationMark, MarkReason } from "./generation.ts";
import {
  encodeGeneration,
  generationFileName,
  idOf,
  numberOf,
  type StoredGeneration,
} from "./generation-file.ts";
import { putBack } from "./missing-files.ts";
import type { Notes } from "./named-files.ts";
import type { PendingKeys } from "./pending-keys.ts";
import type { SpaceReserve } from "./space-reserve.ts";
import { committed, discarded, fellBack, marked, staged } from "./state-moves.ts";
import { emptyRecord, keptIds, type StateRecord, sameMark } from "./state-record.ts";
import type { StateSlots } from "./state-slots.ts";
import { isDiskFault } from "./store-error.ts";
import type { StoreRecovery } from "./store-recovery.ts";
import type { StoreTurns } from "./store-turns.ts";
import type { WearMeter } from "./wear-meter.ts";
import { writeWhole } from "./whole-file.ts";

export interface StoreParts {
  readonly dir: string;
  readonly disk: StateDisk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly wear: WearMeter;
  readonly slots: StateSlots;
  readonly reserve: SpaceReserve;
  readonly notes: Notes;
  readonly keys: PendingKeys;
  readonly turns: StoreTurns;
  readonly recovery: StoreRecovery;
  readonly lock: AsyncDisposable;
  readonly healed: readonly string[];
}

/** Free again: with this much a rotation succeeds. */
const ENOUGH_BYTES = 64 * 1024;
/** How long closing waits for a disk that hangs; the lock then ends with the process. */
const CLOSE_MS = 5_000;

export class DurableStore implements CertificateStore {
  readonly #parts: StoreParts;
  readonly #generations: Map<string, StoredGeneration>;
  #record: StateRecord;
  /** Of every attempt, so that a name that failed is never used again. */
  #lastNumber: number;

  /** Use `openCertificateStore`. */
  constructor(
    parts: StoreParts,
    record: StateRecord,
    generations: ReadonlyMap<string, StoredGeneration>,
  ) {
    this.#parts = parts;
    this.#record = record;
    this.#generations = new Map(generations);
    this.#lastNumber = record.lastNumber;
  }

  get dir(): string {
    return this.#parts.dir;
  }

  get epoch(): string {
    return this.#record.epoch;
  }

  get current(): Generation | undefined {
    return this.#generation(this.#record.current);
  }

  get previous(): Generation | undefined {
    return this.#generation(this.#record.previous);
  }

  get next(): Generation | undefined {
    return this.#generation(this.#record.next);
  }

  get health(): StoreHealth {
    const { recovery, turns, healed, reserve } = this.#parts;
    const fault = recovery.fault ?? turns.slow;
    return {
      writable: recovery.fault === undefined,
      ...{ fault, healed, reserveBytes: reserve.bytes },
    };
  }

  get wear(): StoreWear {
    return this.#parts.wear.wear;
  }

  history(): readonly Generation[] {
    return [...this.#generations.keys()]
      .sort((a, b) => numberOf(b) - numberOf(a))
      .map((id) => this.#generation(id))
      .filter((generation) => generation !== undefined);
  }

  stage(content: GenerationContent, digest?: string): Promise<Generation> {
    return this.#change("stage", async () => {
      const stored = this.#newGeneration(content, checkContent(content, digest));
      const id = idOf(stored);
      const { disk, dir } = this.#parts;
      const name = generationFileName(id);
      const bytes = encodeGeneration(stored);
      try {
        await this.#withReserve(() => writeWhole(disk, dir, name, bytes));
        await this.#move(staged(this.#record, id), new Map([[id, stored]]));
      } catch (error) {
        // Nothing names it; it must not take space from the next try. Else the next opening removes it.
        await disk.remove(join(dir, name)).catch(() => undefined);
        throw error;
      }
      return this.#mustHave(id);
    });
  }

  commit(): Promise<Generation> {
    return this.#change("commit", async () => {
      await this.#move(committed(this.#record));
      return this.#mustHave(this.#record.current);
    });
  }

  mark(number: number, mark: GenerationMark, reasons: readonly MarkReason[] = []): Promise<void> {
    return this.#change("mark", async () => {
      const record = marked(this.#record, number, mark, reasons);
      const id = Object.keys(record.marks).find((each) => numberOf(each) === number);
      const now = id === undefined ? undefined : record.marks[id];
      if (id === undefined || now === undefined) return;
      if (!sameMark(this.#record.marks[id], now)) await this.#move(record);
    });
  }

  fallBack(reasons: readonly MarkReason[]): Promise<Generation> {
    return this.#change("fall back", async () => {
      await this.#move(fellBack(this.#record, reasons));
      return this.#mustHave(this.#record.current);
    });
  }

  discardNext(reasons: readonly MarkReason[]): Promise<void> {
    return this.#change("discard", () => this.#move(discarded(this.#record, reasons)));
  }

  pendingKeys(): ReadonlyMap<string, KeyReference> {
    return this.#parts.keys.all;
  }

  keepKey(name: string, key: KeyReference): Promise<void> {
    // A key made ahead belongs to a rotation, which the reserve is for.
    const { keys } = this.#parts;
    return this.#change("keep key", () => this.#withReserve(() => keys.keep(name, key)));
  }

  dropKey(name: string): Promise<void> {
    return this.#change("drop key", () => this.#parts.keys.drop(name));
  }

  readNote(name: string): Promise<Uint8Array | undefined> {
    return this.#parts.turns.take("read note", () => this.#parts.notes.read(name));
  }

  noteNames(): readonly string[] {
    return this.#parts.notes.names;
  }

  writeNote(name: string, bytes: Uint8Array): Promise<void> {
    // The caller may go on to use its buffer before the turn comes.
    const copy = bytes.slice();
    return this.#change("write note", async () => {
      await this.#parts.notes.write(name, copy);
    });
  }

  dropNote(name: string): Promise<void> {
    return this.#change("drop note", () => this.#parts.notes.drop(name));
  }

  reset(): Promise<void> {
    return this.#change("reset", async () => {
      const { slots, random, notes, keys } = this.#parts;
      const epoch = Buffer.from(random.bytes(16)).toString("hex");
      const decided = { ...emptyRecord(epoch), resetting: true };
      this.#record = await this.#withReserve(() => slots.write(decided));
      this.#generations.clear();
      this.#lastNumber = 0;
      keys.clear();
      notes.clear();
      await this.#finishReset();
    });
  }

  /** Sets space aside, before the store is given out. Never rejects. */
  setOut(): Promise<void> {
    return this.#parts.turns.take("open", () => this.#parts.recovery.remake(this.#largestBytes()));
  }

  /** Tries whether the disk takes writes again, and mends what errors left behind; from a timer. */
  recover(): Promise<void> {
    return this.#change("recover", async () => {
      const { recovery, disk, dir, slots } = this.#parts;
      if (recovery.fault === undefined) return;
      const { bytes, files } = await disk.free(dir);
      // A slot is written in place: that it can be written says nothing about space.
      if (recovery.full && (bytes < ENOUGH_BYTES || files < 1)) return;
      this.#record = await slots.write(this.#record);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { turns, recovery, clock, lock } = this.#parts;
    recovery.close();
    const patience = new AbortController();
    const done = turns.close().then(() => true);
    const late = clock.sleep(CLOSE_MS, patience.signal).then(
      () => false,
      () => false,
    );
    if (await Promise.race([done, late])) await lock[Symbol.asyncDispose]();
    patience.abort();
  }

  async #finishReset(): Promise<void> {
    const { disk, dir, slots, log } = this.#parts;
    // In both slots, so that no single damage brings back a store that is half removed.
    await slots.write(this.#record);
    for (const name of await disk.list(dir)) {
      if (/^(?:generation|key|note)-/.test(name)) await disk.remove(join(dir, name));
    }
    await disk.syncDirectory(dir);
    const begun = { ...this.#record, resetting: false };
    await slots.write(begun);
    this.#record = await slots.write(begun);
    log.emit("store.begun", { path: dir, epoch: begun.epoch });
  }

  /** Writes a record, and takes it over with what it names once it is durable. */
  async #move(
    record: StateRecord,
    added: ReadonlyMap<string, StoredGeneration> = new Map(),
  ): Promise<void> {
    const { slots } = this.#parts;
    try {
      this.#record = await this.#withReserve(() => slots.write(record));
    } catch (error) {
      // The slot may hold the refused record all the same. The old one is written over it at once;
      // where that fails, too, the retries of store-recovery.ts go on with it.
      await slots.write(this.#record).catch(() => undefined);
      throw error;
    }
    for (const [id, generation] of added) this.#generations.set(id, generation);
    await this.#tidy();
  }

  /** Removes what is not kept, and names what is bad. It is durable already; a failure costs space only. */
  async #tidy(): Promise<void> {
    const { disk, dir, recovery } = this.#parts;
    const kept = new Set(keptIds(this.#record));
    for (const id of [...this.#generations.keys()]) {
      const path = join(dir, generationFileName(id));
      const isBad = this.#record.marks[id]?.mark === "bad";
      try {
        if (!kept.has(id)) {
          this.#generations.delete(id);
          const names = [path, `${path}.bad`];
          for (const name of names) {
            if ((await disk.look(name)) !== undefined) await disk.remove(name);
          }
        } else if (isBad && (await disk.look(path)) !== undefined) {
          await disk.rename(path, `${path}.bad`);
        }
      } catch (error) {
        recovery.failed(error, path);
      }
    }
  }

  /** After an error the files may be gone altogether: then the record is written anew as well. */
  async #putBack(): Promise<void> {
    const { disk, dir, slots, reserve, log } = this.#parts;
    const missing = await putBack(disk, dir, this.#generations);
    if (missing.reserve) reserve.lost();
    if (missing.generations.length === 0 && !missing.slots) return;
    slots.lost();
    await slots.write(this.#record);
    this.#record = await slots.write(this.#record);
    log.emit("store.healed", {
      path: dir,
      reason: "files of the store were gone while the agent ran; it wrote them anew from memory",
    });
  }

  #newGeneration(content: GenerationContent, digest: string): StoredGeneration {
    this.#lastNumber += 1;
    const { key, chainPem, trustBundlePem, origin } = content;
    // Generations mostly share one bundle: a large one is held in memory once.
    const known = [...this.#generations.values()].find(
      (each) => each.trustBundlePem === trustBundlePem,
    );
    return {
      ...{ key, chainPem, origin, digest, number: this.#lastNumber, epoch: this.#record.epoch },
      trustBundlePem: known?.trustBundlePem ?? trustBundlePem,
      createdAt: this.#parts.clock.now(),
    };
  }

  /** Runs a write; when the disk is full, once more with the space that was set aside. */
  async #withReserve<T>(write: () => Promise<T>): Promise<T> {
    const { reserve } = this.#parts;
    try {
      return await write();
    } catch (error) {
      const full = isDiskFault(error) && (error as AgentError).code === "ERR_STORE_FULL";
      if (!full || reserve.bytes === 0) throw error;
      await reserve.release();
      return await write();
    }
  }

  #change<T>(what: string, run: () => Promise<T>): Promise<T> {
    const { turns, wear, recovery, dir } = this.#parts;
    return turns.take(what, async () => {
      const before = wear.wear;
      try {
        if (this.#record.resetting) await this.#finishReset();
        else if (recovery.fault !== undefined) await this.#putBack();
        const result = await run();
        const after = wear.wear;
        if (after.syncs > before.syncs) {
          wear.countOperation();
          recovery.succeeded();
        }
        return result;
      } catch (error) {
        throw recovery.failed(error, dir);
      } finally {
        await recovery.remake(this.#largestBytes());
      }
    });
  }

  #largestBytes(): number {
    const sizes = [...this.#generations.values()].map(
      ({ chainPem, trustBundlePem, key }) =>
        chainPem.length + trustBundlePem.length + key.locator.length,
    );
    return Math.max(0, ...sizes);
  }

  #generation(id: string | undefined): Generation | undefined {
    const stored = id === undefined ? undefined : this.#generations.get(id);
    if (id === undefined || stored === undefined) return undefined;
    const { mark = "unproven", reasons = [] } = this.#record.marks[id] ?? {};
    return { ...stored, mark, reasons };
  }

  #mustHave(id: string | undefined): Generation {
    const generation = this.#generation(id);
    if (generation === undefined) throw new TypeError("a generation in force is not in memory");
    return generation;
  }
}
