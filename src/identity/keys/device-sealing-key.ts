/**
 * A sealing key of the device's own: 32 random octets in a file, combined by HKDF (RFC 5869) with what
 * identifies the device.
 *
 * Protects against: reading single files (a support bundle, a backup of the generations without this
 * file), and a disk that was copied into another device, which fails with a clear message. Does not
 * protect against whoever has the whole disk and knows the device's marks, nor against root: for that
 * use a TPM or token. Destroying it overwrites and removes the file; worn flash may keep the old block
 * until it is reused, so a disk that leaves the house is destroyed, not wiped.
 *
 * ```
 * octets  0..3    4         5         6 ... 37   38 ... 45     46 ... 53      54 ... 61
 *         "MEDK"  version   marks     random     machine id    board serial   checksum
 * ```
 * Each mark stands there as a fingerprint, so that a message can say which one is another now.
 */
import { createHash, createHmac, hkdfSync } from "node:crypto";
import { dirname } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import type { Random } from "../../host/random.ts";
import { type DiskEntry, errnoOf, type StateDisk } from "../../host/state-disk.ts";
import type { DeviceMarks } from "./device-marks.ts";
import { type Destruction, SEALING_KEY_OCTETS, type SealingKeySource } from "./sealing-key.ts";

const MAGIC = Buffer.from("MEDK");
const VERSION = 1;
const RANDOM_AT = 6;
const MARKS_AT = RANDOM_AT + SEALING_KEY_OCTETS;
const FINGERPRINT_BYTES = 8;
const CHECKSUM_AT = MARKS_AT + 2 * FINGERPRINT_BYTES;
const FILE_BYTES = CHECKSUM_AT + 8;

/** Marks in the order of their bits and fingerprints in the file. */
const MARKS = [
  { name: "machineId", words: "the machine id (/etc/machine-id)" },
  { name: "boardSerial", words: "the board's serial number" },
] as const;

export interface DeviceKeyOptions {
  /** Absolute; its directory exists. While it is made, `path.new` stands beside it. */
  readonly path: string;
  readonly disk: StateDisk;
  readonly random: Random;
  /** The user of this process; the file must be this user's or root's. */
  readonly uid: number;
  /**
   * Directory whose owner the agent runs as; default that of `path`. Root leaves the file to this user,
   * and reads it as this user's: made by root for itself, it would keep the agent from starting.
   */
  readonly ownedLike?: string;
  /** Read anew at each use. */
  readonly marks: () => Promise<DeviceMarks>;
}

export function deviceSealingKey(options: DeviceKeyOptions): SealingKeySource {
  const { path } = options;
  let making: Promise<void> | undefined;
  /** Two keys that are made at once share one file. */
  const make = (): Promise<void> => {
    making ??= createFile(options).finally(() => {
      making = undefined;
    });
    return making;
  };
  return {
    kind: "device-file",
    description: `a key file of this device, ${path}`,
    async read(mayCreate) {
      let bytes = await readFile(options);
      if (bytes === undefined && mayCreate) {
        await make();
        // What counts is what the disk gives back.
        bytes = await readFile(options);
      }
      if (bytes === undefined) {
        throw new AgentError(
          "ERR_KEY_SEALING_LOST",
          `the device's key file ${path} is missing, and the store's private keys are sealed under it`,
        );
      }
      try {
        return deriveKey(bytes, await options.marks(), path);
      } finally {
        bytes.fill(0);
      }
    },
    destroy: () => destroyFile(options),
  };
}

/** The file's bytes after a look at who may read them; `undefined` when there is none. */
async function readFile(options: DeviceKeyOptions): Promise<Uint8Array | undefined> {
  const { path, disk, uid } = options;
  try {
    const found = await disk.look(path);
    if (found === undefined) return undefined;
    if (found.kind !== "file") throw invalid(path, "it is not a plain file");
    const owner = (await otherOwner(options))?.uid ?? uid;
    if ((found.mode & 0o077) !== 0 || (found.uid !== owner && found.uid !== 0)) {
      const mode = found.mode.toString(8).padStart(4, "0");
      throw new AgentError(
        "ERR_KEY_SEALING_EXPOSED",
        `the device's key file ${path} has mode ${mode} and belongs to user ${found.uid}; others may read it. If nobody did: chown ${owner} ${path} && chmod 0600 ${path}`,
      );
    }
    return await disk.read(path, FILE_BYTES);
  } catch (cause) {
    if (cause instanceof RangeError) throw invalid(path, "it is too long");
    throw ioError(cause, `the device's key file ${path} can't be read`);
  }
}

/** For root: the user that the agent runs as, when that is not root. */
async function otherOwner(options: DeviceKeyOptions): Promise<DiskEntry | undefined> {
  const { path, disk, uid, ownedLike } = options;
  if (uid !== 0) return undefined;
  const dir = (await disk.look(ownedLike ?? dirname(path))) ?? (await disk.look(dirname(path)));
  return dir?.uid === 0 ? undefined : dir;
}

/** Durable before it is used: nothing may be sealed under a key that the next power cut takes. */
async function createFile(options: DeviceKeyOptions): Promise<void> {
  const { path, disk, random } = options;
  const bytes = newFile(random.bytes(SEALING_KEY_OCTETS), await options.marks());
  const draft = `${path}.new`;
  try {
    // Left by a power cut, so nothing was sealed under it.
    if ((await disk.look(draft)) !== undefined) await disk.remove(draft);
    const owner = await otherOwner(options);
    {
      await using file = await disk.create(draft);
      if (owner !== undefined) await disk.setOwner(draft, owner.uid, owner.gid);
      await file.write(bytes, 0);
      await file.sync();
    }
    await disk.rename(draft, path);
    await disk.syncDirectory(dirname(path));
  } catch (cause) {
    throw ioError(cause, `the device's key file ${path} can't be made`);
  } finally {
    bytes.fill(0);
  }
}

async function destroyFile({ path, disk, random }: DeviceKeyOptions): Promise<Destruction> {
  try {
    for (const name of [path, `${path}.new`]) {
      const found = await disk.look(name);
      if (found === undefined) continue;
      if (found.kind === "file") {
        await using file = await disk.open(name);
        await file.write(random.bytes(FILE_BYTES), 0);
        await file.sync();
      }
      await disk.remove(name);
    }
    await disk.syncDirectory(dirname(path));
    return { complete: true, remains: undefined };
  } catch (cause) {
    throw ioError(cause, `the device's key file ${path} can't be destroyed`);
  }
}

function newFile(secret: Uint8Array, marks: DeviceMarks): Uint8Array {
  const file = Buffer.alloc(FILE_BYTES);
  MAGIC.copy(file);
  file[4] = VERSION;
  file.set(secret, RANDOM_AT);
  for (const [index, { name }] of MARKS.entries()) {
    const mark = marks[name];
    if (mark === undefined) continue;
    file[5] = (file[5] ?? 0) | (1 << index);
    file.set(fingerprint(secret, name, mark), MARKS_AT + index * FINGERPRINT_BYTES);
  }
  file.set(checksum(file), CHECKSUM_AT);
  secret.fill(0);
  return file;
}

function deriveKey(file: Uint8Array, marks: DeviceMarks, path: string): Uint8Array {
  if (file.length !== FILE_BYTES || !MAGIC.equals(file.subarray(0, 4))) {
    throw invalid(path, `it has ${file.length} bytes and is none of this agent's, or was cut off`);
  }
  if (!checksum(file).equals(file.subarray(CHECKSUM_AT))) throw invalid(path, "it is damaged");
  if (file[4] !== VERSION) throw invalid(path, "a later version of the agent made it");
  const secret = file.subarray(RANDOM_AT, MARKS_AT);
  const bound: string[] = [];
  for (const [index, { name, words }] of MARKS.entries()) {
    if (((file[5] ?? 0) & (1 << index)) === 0) continue;
    const mark = marks[name];
    if (mark === undefined) throw otherDevice(path, `${words} can't be read now`);
    const at = MARKS_AT + index * FINGERPRINT_BYTES;
    if (!fingerprint(secret, name, mark).equals(file.subarray(at, at + FINGERPRINT_BYTES))) {
      throw otherDevice(path, `${words} is another one here`);
    }
    bound.push(`${name}=${mark}`);
  }
  const info = "microedge device sealing key v1";
  return new Uint8Array(hkdfSync("sha256", secret, bound.join("\n"), info, SEALING_KEY_OCTETS));
}

function fingerprint(secret: Uint8Array, name: string, mark: string): Buffer {
  const digest = createHmac("sha256", secret).update(`${name}\0${mark}`).digest();
  return digest.subarray(0, FINGERPRINT_BYTES);
}

function checksum(file: Uint8Array): Buffer {
  const digest = createHash("sha256").update(file.subarray(0, CHECKSUM_AT)).digest();
  return digest.subarray(0, FILE_BYTES - CHECKSUM_AT);
}

function otherDevice(path: string, why: string): AgentError {
  return new AgentError(
    "ERR_KEY_SEALING_WRONG",
    `the private keys were sealed for another device: of the key file ${path}, ${why}. A disk that was copied from another device needs an identity of its own: reset the store, then enrol`,
  );
}

function invalid(path: string, why: string): AgentError {
  return new AgentError(
    "ERR_KEY_SEALING_INVALID",
    `the device's key file ${path} is unusable: ${why}`,
  );
}

function ioError(cause: unknown, what: string): unknown {
  if (cause instanceof AgentError) return cause;
  const reason = errnoOf(cause) ?? errorText(cause);
  return new AgentError("ERR_KEY_SEALING_UNAVAILABLE", `${what}: ${reason}`, { cause });
}
