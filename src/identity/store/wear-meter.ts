/**
 * Counts what the store hands to the disk, and says once a day when that was more than its budget. A
 * day is 24 h by the monotonic clock from the opening on: the wall clock may be wrong, and to keep the
 * count over a restart would itself be a write.
 */
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../host/clock.ts";
import type { StateDisk, StateFile } from "../../host/state-disk.ts";
import type { StoreWear } from "./certificate-store.ts";

const DAY_MS = 86_400_000;

export interface WearOptions {
  readonly dir: string;
  readonly budgetBytesPerDay: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export class WearMeter {
  readonly #options: WearOptions;
  readonly #openedAt: number;
  #bytes = 0;
  #syncs = 0;
  #operations = 0;
  #day = 0;
  #bytesToday = 0;
  #warnedOn = -1;

  constructor(options: WearOptions) {
    this.#options = options;
    this.#openedAt = options.clock.monotonicMs();
  }

  get wear(): StoreWear {
    this.#turnDay();
    return {
      bytesWritten: this.#bytes,
      syncs: this.#syncs,
      operations: this.#operations,
      bytesToday: this.#bytesToday,
      budgetBytesPerDay: this.#options.budgetBytesPerDay,
    };
  }

  countOperation(): void {
    this.#operations += 1;
  }

  /** The same disk, counted. */
  counting(disk: StateDisk): StateDisk {
    const sync = async (run: () => Promise<void>): Promise<void> => {
      this.#syncs += 1;
      await run();
    };
    const counted = (file: StateFile): StateFile => ({
      write: async (bytes, position) => {
        this.#count(bytes.length);
        await file.write(bytes, position);
      },
      sync: () => sync(() => file.sync()),
      syncBytes: () => sync(() => file.syncBytes()),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    });
    return {
      user: disk.user,
      look: (path) => disk.look(path),
      list: (dir) => disk.list(dir),
      read: (path, maxBytes) => disk.read(path, maxBytes),
      free: (dir) => disk.free(dir),
      makeDirectory: (path) => disk.makeDirectory(path),
      create: async (path) => counted(await disk.create(path)),
      open: async (path) => counted(await disk.open(path)),
      rename: (from, to) => disk.rename(from, to),
      remove: (path) => disk.remove(path),
      setMode: (path, mode) => disk.setMode(path, mode),
      setOwner: (path, uid, gid) => disk.setOwner(path, uid, gid),
      syncDirectory: (dir) => sync(() => disk.syncDirectory(dir)),
    };
  }

  #count(bytes: number): void {
    this.#turnDay();
    this.#bytes += bytes;
    this.#bytesToday += bytes;
    const { dir, budgetBytesPerDay, log } = this.#options;
    if (this.#bytesToday <= budgetBytesPerDay || this.#warnedOn === this.#day) return;
    this.#warnedOn = this.#day;
    log.emit("store.worn", { path: dir, bytes: this.#bytesToday, budget: budgetBytesPerDay });
  }

  #turnDay(): void {
    const spent = this.#options.clock.monotonicMs() - this.#openedAt;
    const day = Math.floor(spent / DAY_MS);
    if (day === this.#day) return;
    this.#day = day;
    this.#bytesToday = 0;
  }
}
