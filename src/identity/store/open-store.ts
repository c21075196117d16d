/**
 * Opens the certificate store of a directory: locks it, judges every file, heals what can be healed,
 * and begins a new store where there is none.
 */
import { dirname, join } from "node:path";
import { errorText } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../host/clock.ts";
import type { DirectoryLock } from "../../host/directory-lock.ts";
import { ownedDisk } from "../../host/owned-disk.ts";
import type { Random } from "../../host/random.ts";
import type { DiskEntry, StateDisk } from "../../host/state-disk.ts";
import type { CertificateStore } from "./certificate-store.ts";
import { type Diagnosis, diagnose } from "./diagnosis.ts";
import { DurableStore } from "./durable-store.ts";
import { Notes } from "./named-files.ts";
import { PendingKeys } from "./pending-keys.ts";
import { SpaceReserve } from "./space-reserve.ts";
import { STATE_FORMAT, type StateFormat, type StateRecord } from "./state-record.ts";
import { SLOT_NAMES, StateSlots } from "./state-slots.ts";
import { at } from "./store-error.ts";
import { StoreRecovery } from "./store-recovery.ts";
import { StoreTurns } from "./store-turns.ts";
import { surveyStore, unsafe } from "./survey.ts";
import { WearMeter } from "./wear-meter.ts";

export interface StoreOptions {
  /** Made when it is missing; its parent must be there. */
  readonly dir: string;
  /** `systemStateDisk`. */
  readonly disk: StateDisk;
  /** `systemDirectoryLock`. */
  readonly lock: DirectoryLock;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** A warning a day is given above this; default 4 MiB. */
  readonly wearBudgetBytesPerDay?: number;
  /** Default {@link STATE_FORMAT}. */
  readonly format?: StateFormat;
}

/** A hundred rotations and as many notes; real devices need a thousandth. */
const WEAR_BUDGET_BYTES = 4 * 1024 * 1024;

/**
 * @throws AgentError `ERR_STORE_LOCKED` naming the holder if known; `ERR_STORE_FORMAT` when a newer
 *   version wrote it; `ERR_STORE_UNSAFE` when it belongs to somebody else; `ERR_STORE_FULL`,
 *   `ERR_STORE_READ_ONLY` or `ERR_STORE_IO` when there is no store yet and none can be begun, or what
 *   is there can't be read.
 */
export async function openCertificateStore(options: StoreOptions): Promise<CertificateStore> {
  const { dir, clock, random, log, wearBudgetBytesPerDay = WEAR_BUDGET_BYTES } = options;
  const { format = STATE_FORMAT } = options;
  const wear = new WearMeter({ dir, budgetBytesPerDay: wearBudgetBytesPerDay, clock, log });
  const counted = wear.counting(options.disk);
  const place = await preparePlace(counted, dir);
  await using undo = new AsyncDisposableStack();
  const lock = undo.use(await options.lock.take(dir, place.entry.identity));
  const disk = ownedDisk(counted, place.entry);
  const survey = await surveyStore(disk, dir, place.entry.uid, format);
  const diagnosis = diagnose(survey, Buffer.from(random.bytes(16)).toString("hex"));
  const slots = new StateSlots(disk, dir, format, diagnosis.held);
  const reserve = new SpaceReserve(disk, dir, random, survey.reserveBytes);
  const retry = (): Promise<void> => store.recover();
  const recovery = new StoreRecovery({ dir, clock, log, reserve, retry });
  undo.defer(() => recovery.close());
  const record = await carryOut(disk, dir, diagnosis, slots, recovery);
  const store: DurableStore = new DurableStore(
    {
      ...{ dir, disk, clock, random, log, wear, slots, reserve, recovery, lock },
      notes: new Notes(disk, dir, diagnosis.notes),
      keys: new PendingKeys(disk, dir, diagnosis.keys),
      turns: new StoreTurns(clock),
      healed: [...place.healed, ...diagnosis.healed],
    },
    record,
    diagnosis.generations,
  );
  for (const reason of store.health.healed) log.emit("store.healed", { path: dir, reason });
  if (diagnosis.begins) log.emit("store.begun", { path: dir, epoch: record.epoch });
  await store.setOut();
  const { current, epoch } = store;
  log.emit("store.opened", { path: dir, generation: current?.number ?? 0, epoch });
  undo.move();
  return store;
}

interface Place {
  readonly entry: DiskEntry;
  readonly healed: readonly string[];
}

/** Makes sure of a directory that its owner alone can enter. @throws AgentError `ERR_STORE_UNSAFE`. */
async function preparePlace(disk: StateDisk, dir: string): Promise<Place> {
  const healed: string[] = [];
  if ((await at(dir, () => disk.look(dir))) === undefined) {
    await makePlace(disk, dir);
  }
  const entry = await at(dir, () => disk.look(dir));
  if (entry?.kind !== "directory") throw unsafe(dir, "is no directory");
  if (entry.uid !== disk.user && disk.user !== 0) {
    throw unsafe(dir, `belongs to user ${entry.uid}, and this is user ${disk.user}`);
  }
  if ((entry.mode & 0o077) !== 0) {
    const was = `${dir}: other users could enter it (mode ${entry.mode.toString(8)})`;
    try {
      await disk.setMode(dir, 0o700);
      healed.push(`${was}; now it is private`);
    } catch (error) {
      healed.push(`${was}, and still can: ${errorText(error)}`);
    }
  }
  return { entry, healed };
}

async function makePlace(disk: StateDisk, dir: string): Promise<void> {
  const parent = dirname(dir);
  const above = await at(parent, () => disk.look(parent));
  await at(dir, () => disk.makeDirectory(dir));
  // Root prepares a device for the user that the agent will run as.
  if (disk.user === 0 && above !== undefined && above.uid !== 0) {
    await at(dir, () => disk.setOwner(dir, above.uid, above.gid));
  }
  await at(parent, () => disk.syncDirectory(parent));
}

/**
 * Makes disk and diagnosis agree. Where the disk does not let it, the store opens all the same with
 * what was found; only a store that is just beginning can't.
 */
async function carryOut(
  disk: StateDisk,
  dir: string,
  diagnosis: Diagnosis,
  slots: StateSlots,
  recovery: StoreRecovery,
): Promise<StateRecord> {
  let { record } = diagnosis;
  const path = (name: string): string => join(dir, name);
  try {
    // What was read may be in the page cache only: the process before this one may have been killed
    // before its sync, and what is published must not be taken back by a power cut.
    for (const name of SLOT_NAMES) {
      if (diagnosis.held[SLOT_NAMES.indexOf(name)] === undefined) continue;
      await at(path(name), async () => {
        await using file = await disk.open(path(name));
        await file.sync();
      });
    }
    for (const [from, to] of diagnosis.renames) {
      await at(path(from), () => disk.rename(path(from), path(to)));
    }
    await at(dir, () => disk.syncDirectory(dir));
    if (!diagnosis.resets) record = await writeRecord(slots, record, diagnosis);
    for (const name of diagnosis.removals) {
      // A temporary file may have become one that was written meanwhile.
      const there = (await disk.look(path(name))) !== undefined;
      if (there) await at(path(name), () => disk.remove(path(name)));
    }
    if (diagnosis.removals.length > 0) await at(dir, () => disk.syncDirectory(dir));
    if (diagnosis.resets) record = await writeRecord(slots, record, diagnosis);
  } catch (error) {
    const told = recovery.failed(error, dir);
    const nothingThere = diagnosis.held.every((sequence) => sequence === undefined);
    if (recovery.fault === undefined || (nothingThere && record.current === undefined)) throw told;
    record = { ...record, resetting: diagnosis.resets };
  }
  return record;
}

async function writeRecord(
  slots: StateSlots,
  record: StateRecord,
  { rewrite }: Diagnosis,
): Promise<StateRecord> {
  let written = record;
  // Both: an older or damaged one would be all that is left if the other were lost.
  if (rewrite) written = await slots.write(record);
  if (rewrite || !slots.sound) written = await slots.write(record);
  return slots.sound ? written : slots.write(record);
}
