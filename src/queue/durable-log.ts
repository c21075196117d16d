/**
 * A log that survives power cuts and is kind to flash: a preallocated file that is written in place,
 * one write and one fdatasync for each record, in blocks of its own. When the half of the file in use
 * is full, a snapshot begins the next lap in the other half, again by one write and one sync; until
 * that is durable the half before counts. Nothing is renamed, nothing grows, the journal of the file
 * system has next to nothing to do. How it lies on disk: log-format.ts.
 *
 * After a failed write or sync nothing is known of the blocks that it touched, and the kernel may hold
 * for written what is not (fsync(2)). So they are never appended to: the handle is closed, and the
 * next change has to be a snapshot, which goes to the other half. The same after opening.
 *
 * One writer: the caller sees to it, by the lock of the certificate store, and makes one change at a
 * time.
 */
import { dirname } from "node:path";
import { AgentError, errorText } from "../base/errors.ts";
import type { Random } from "../host/random.ts";
import { errnoOf, type StateDisk, type StateFile } from "../host/state-disk.ts";
import {
  BLOCK_BYTES,
  type LogFormat,
  readLap,
  recordBytes,
  type Sealed,
  sealLap,
  sealRecord,
  type WholeLap,
} from "./log-format.ts";

export interface DurableLogOptions {
  /** Of the file; its directory is made when it is missing, the one above must be there. */
  readonly path: string;
  readonly disk: StateDisk;
  readonly random: Random;
  readonly format: LogFormat;
  /** Of the file: an even number of blocks; default {@link LOG_BYTES}. */
  readonly bytes?: number;
}

export interface DurableLog extends AsyncDisposable {
  readonly path: string;
  /** What opening found; {@link Replayed.records} in the order in which they were appended. */
  readonly replayed: Replayed;
  readonly wear: LogWear;
  /** How large a snapshot can be, in bytes, so that records have room after it. */
  readonly maxSnapshotBytes: number;
  /** Whether a record of so many bytes can be appended; otherwise a snapshot has to come first. */
  hasRoom(bytes: number): boolean;
  /**
   * Durable when it resolves.
   *
   * @throws AgentError `ERR_QUEUE_IO` with the `errno`: the record does not count, though a later start may
   *   find it. {@link hasRoom} then asks for a snapshot.
   */
  append(record: Uint8Array): Promise<void>;
  /** Replaces everything by a snapshot, durable when it resolves. @throws AgentError as {@link append}. */
  compact(snapshot: Uint8Array): Promise<void>;
}

export interface Replayed {
  /** `undefined` in a log that begins. */
  readonly snapshot: Uint8Array | undefined;
  readonly records: readonly Uint8Array[];
  /** What was found wrong and given up, in words. */
  readonly healed: readonly string[];
  /** Why nothing can be written at present; the log can be read all the same. */
  readonly fault: AgentError | undefined;
}

export interface LogWear {
  /** Since it was opened; as handed to the file system. */
  readonly bytesWritten: number;
  readonly syncs: number;
}

/** Room for some thirty records between two snapshots. */
export const LOG_BYTES = 256 * 1024;
const TEMPORARY = ".tmp";

/**
 * Opens a log without writing to it; the file is made by the first change.
 *
 * @throws AgentError `ERR_QUEUE_FORMAT` when a newer version wrote it: nothing is touched.
 */
export async function openDurableLog(options: DurableLogOptions): Promise<DurableLog> {
  const { bytes: size = LOG_BYTES, path } = options;
  if (size % (2 * BLOCK_BYTES) !== 0) throw new RangeError(`${path}: ${size} bytes are no halves`);
  const survey = await look(options, size);
  return new HalvesLog(options, size, survey);
}

interface Survey {
  readonly replayed: Replayed;
  /** Which half counts; `undefined` when the file has to be made anew. */
  readonly half: 0 | 1 | undefined;
  /** The highest there is. */
  readonly lap: number;
}

async function look({ path, disk, format }: DurableLogOptions, size: number): Promise<Survey> {
  const healed: string[] = [];
  const none = (fault?: AgentError): Survey => ({
    ...{ half: undefined, lap: 0 },
    replayed: { snapshot: undefined, records: [], healed, fault },
  });
  let bytes: Uint8Array;
  try {
    const entry = await disk.look(path);
    if (entry === undefined) return none();
    if (entry.kind !== "file") throw new AgentError("ERR_QUEUE_IO", `${path} is no plain file`);
    if ((entry.mode & 0o077) !== 0) {
      await disk.setMode(path, 0o600);
      healed.push(`${path}: other users could read it; now it is private`);
    }
    bytes = await disk.read(path, 4 * size);
  } catch (error) {
    if (!(error instanceof RangeError)) return none(queueError(error, path));
    healed.push(`${path} is far larger than any log; it is begun anew`);
    return none();
  }
  const middle = bytes.length >> 1;
  const halves = [bytes.subarray(0, middle), bytes.subarray(middle)];
  const laps = halves.map((half) => readLap(format, half));
  for (const lap of laps) {
    if (lap.kind !== "newer") continue;
    throw new AgentError(
      "ERR_QUEUE_FORMAT",
      `${path} was written by a newer microedge (format ${lap.version})`,
      { fields: { path, format: lap.version } },
    );
  }
  const whole = laps.filter((lap) => lap.kind === "whole");
  const [newest] = whole.toSorted((a, b) => b.lap - a.lap);
  const damaged = laps.some((lap) => lap.kind === "damaged");
  if (newest === undefined) {
    healed.push(`${path} is damaged in both halves: what it held is lost`);
    return none();
  }
  const words = tellFound(newest, damaged);
  if (words !== undefined) healed.push(`${path}: ${words}`);
  const { snapshot, records, lap } = newest;
  const fault = await syncFound(disk, path);
  // Another size than ours, of an older version or cut off: read as it is, then made anew.
  const half = bytes.length === size ? (laps.indexOf(newest) as 0 | 1) : undefined;
  return { half, lap, replayed: { snapshot, records, healed, fault } };
}

function tellFound({ cut }: WholeLap, damaged: boolean): string | undefined {
  if (cut === "damaged") return "a record is damaged; it and those after it are lost";
  // Only the rest of a lap that was being begun, or of a record: neither was acknowledged.
  if (damaged) return "one half is damaged or was being written; the other one counts";
  return cut === "torn" ? "a record that was being written was cut off" : undefined;
}

/**
 * What was read may be in the page cache only, written by a process that was killed before its sync;
 * nobody shall act on what a power cut would take back.
 */
async function syncFound(disk: StateDisk, path: string): Promise<AgentError | undefined> {
  try {
    await using file = await disk.open(path);
    await file.syncBytes();
    return undefined;
  } catch (error) {
    return queueError(error, path);
  }
}

class HalvesLog implements DurableLog {
  readonly path: string;
  readonly replayed: Replayed;
  readonly #disk: StateDisk;
  readonly #random: Random;
  readonly #format: LogFormat;
  readonly #size: number;
  #half: 0 | 1 | undefined;
  #lap: number;
  /** Where the next record goes in the half; `undefined` when a snapshot has to come first. */
  #end: number | undefined;
  #number = 0;
  #chain = "";
  #file: StateFile | undefined;
  /** A write or sync has failed: what is written next is read back. */
  #mistrusted = false;
  #bytesWritten = 0;
  #syncs = 0;

  constructor({ path, disk, random, format }: DurableLogOptions, size: number, survey: Survey) {
    this.path = path;
    this.#disk = disk;
    this.#random = random;
    this.#format = format;
    this.#size = size;
    this.#half = survey.half;
    this.#lap = survey.lap;
    this.replayed = survey.replayed;
  }

  get wear(): LogWear {
    return { bytesWritten: this.#bytesWritten, syncs: this.#syncs };
  }

  get maxSnapshotBytes(): number {
    return (this.#size * 3) / 8;
  }

  hasRoom(bytes: number): boolean {
    return this.#end !== undefined && this.#end + recordBytes(bytes) <= this.#size / 2;
  }

  async append(record: Uint8Array): Promise<void> {
    const [half, end] = [this.#half, this.#end];
    if (half === undefined || end === undefined || !this.hasRoom(record.length)) {
      throw new RangeError(`${this.path}: a snapshot has to come first`);
    }
    const sealed = sealRecord(this.#lap, this.#number + 1, this.#chain, record);
    this.#end = undefined;
    await this.#write(half, end, sealed.bytes);
    this.#end = end + sealed.bytes.length;
    this.#number += 1;
    this.#chain = sealed.chain;
  }

  async compact(snapshot: Uint8Array): Promise<void> {
    if (snapshot.length > this.maxSnapshotBytes) {
      throw new RangeError(`${this.path}: a snapshot of ${snapshot.length} bytes`);
    }
    // Never the same number again: of the last attempt a part, or all, may have reached the disk.
    this.#lap += 1;
    this.#end = undefined;
    const sealed = sealLap(this.#format, this.#lap, this.#random.bytes(16), snapshot);
    const next = this.#half === 0 ? 1 : 0;
    const mistrusted = this.#mistrusted || this.#half === undefined;
    if (this.#half === undefined) await this.#make(sealed);
    else await this.#write(next, 0, sealed.bytes);
    if (mistrusted) await this.#verify(next, sealed);
    this.#half = next;
    this.#mistrusted = false;
    this.#end = sealed.bytes.length;
    this.#number = 0;
    this.#chain = sealed.chain;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end = undefined;
    const file = this.#file;
    this.#file = undefined;
    await file?.[Symbol.asyncDispose]();
  }

  async #write(half: 0 | 1, position: number, bytes: Uint8Array): Promise<void> {
    try {
      this.#file ??= await this.#disk.open(this.path);
      this.#bytesWritten += bytes.length;
      await this.#file.write(bytes, (half * this.#size) / 2 + position);
      this.#syncs += 1;
      await this.#file.syncBytes();
    } catch (error) {
      this.#mistrusted = true;
      await this.#giveUpHandle();
      // Somebody removed it: there is nothing left to write in place.
      if (errnoOf(error) === "ENOENT") this.#half = undefined;
      throw queueError(error, this.path);
    }
  }

  async #verify(half: 0 | 1, { bytes }: Sealed): Promise<void> {
    let found: Uint8Array;
    try {
      found = await this.#disk.read(this.path, this.#size);
    } catch (error) {
      throw queueError(error, this.path);
    }
    const from = (half * this.#size) / 2;
    if (Buffer.compare(found.subarray(from, from + bytes.length), bytes) === 0) return;
    const words = `${this.path}: what is read is not what was written`;
    throw new AgentError("ERR_QUEUE_IO", words, { fields: { path: this.path, errno: "EIO" } });
  }

  async #giveUpHandle(): Promise<void> {
    try {
      await this[Symbol.asyncDispose]();
    } catch {
      // What the write failed with is told; that closing fails as well tells nothing more.
    }
  }

  /** Every block is written, so that none has to be found when it is needed. */
  async #make({ bytes }: Sealed): Promise<void> {
    const temporary = `${this.path}${TEMPORARY}`;
    const whole = new Uint8Array(this.#size);
    whole.set(bytes);
    const dir = dirname(this.path);
    await this.#giveUpHandle();
    try {
      if ((await this.#disk.look(dir)) === undefined) {
        await this.#disk.makeDirectory(dir);
        this.#syncs += 1;
        await this.#disk.syncDirectory(dirname(dir));
      }
      if ((await this.#disk.look(temporary)) !== undefined) await this.#disk.remove(temporary);
      {
        await using file = await this.#disk.create(temporary);
        this.#bytesWritten += whole.length;
        await file.write(whole, 0);
        this.#syncs += 1;
        await file.sync();
      }
      await this.#disk.rename(temporary, this.path);
    } catch (error) {
      // The first error is the one to tell; what is left is removed by the next attempt.
      await this.#disk.remove(temporary).catch(() => undefined);
      throw queueError(error, temporary);
    }
    try {
      this.#syncs += 1;
      await this.#disk.syncDirectory(dir);
    } catch (error) {
      throw queueError(error, dir);
    }
  }
}

/** What has no errno is a bug, and is thrown on as it is. */
function queueError(cause: unknown, path: string): AgentError {
  if (cause instanceof AgentError) return cause;
  const errno = errnoOf(cause);
  if (errno === undefined) throw cause;
  return new AgentError("ERR_QUEUE_IO", `${path}: ${errorText(cause)}`, {
    cause,
    fields: { path, errno },
  });
}
