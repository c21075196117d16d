/**
 * Reads every file of a store and says what it is worth: whole, damaged, unreadable, or written by a
 * newer program. Nothing is changed, except that files which other users may read become private.
 */
import { join } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import { type DiskEntry, errnoOf, type StateDisk } from "../../host/state-disk.ts";
import type { KeyReference } from "../keys/key-provider.ts";
import {
  decodeGeneration,
  MAX_GENERATION_BYTES,
  type ReadOutcome,
  type StoredGeneration,
} from "./generation-file.ts";
import { decodeKey, decodeNote, MAX_NAMED_BYTES, NAME } from "./named-file.ts";
import { decodeState, type ReadState, SLOT_BYTES, type StateFormat } from "./state-record.ts";
import { at } from "./store-error.ts";

export interface Found<T> {
  readonly fileName: string;
  /** Of a state its slot, of a generation its id, of a key or note its name. */
  readonly name: string;
  readonly temporary: boolean;
  /** The name of the file says that the generation is bad. */
  readonly bad: boolean;
  /** `unreadable`: the disk failed to read it; it may be whole. */
  readonly outcome: Exclude<ReadOutcome<T>, { kind: "newer" }> | { readonly kind: "unreadable" };
}

export interface Survey {
  readonly states: readonly Found<ReadState>[];
  readonly generations: readonly Found<StoredGeneration>[];
  readonly keys: readonly Found<KeyReference>[];
  readonly notes: readonly Found<Uint8Array>[];
  readonly reserveBytes: number;
  /** Temporary files that can be of no use. */
  readonly litter: readonly string[];
  /** What was put right at once, in words. */
  readonly healed: readonly string[];
}

const FILE = new RegExp(
  `^(?:(reserve)|state-([01])|generation-([0-9a-f]{32}-[1-9]\\d{0,15})(\\.bad)?|key-(${NAME})|note-(${NAME}))(\\.tmp)?$`,
);

/** @throws AgentError `ERR_STORE_FORMAT`, `ERR_STORE_UNSAFE`, `ERR_STORE_IO`. */
export async function surveyStore(
  disk: StateDisk,
  dir: string,
  owner: number,
  format: StateFormat,
): Promise<Survey> {
  const states: Found<ReadState>[] = [];
  const generations: Found<StoredGeneration>[] = [];
  const keys: Found<KeyReference>[] = [];
  const notes: Found<Uint8Array>[] = [];
  const litter: string[] = [];
  const healed: string[] = [];
  let reserveBytes = 0;
  for (const fileName of await at(dir, () => disk.list(dir))) {
    const match = FILE.exec(fileName);
    if (match === null) continue;
    const [, reserve, slot, id, bad, key, note, suffix] = match;
    const path = join(dir, fileName);
    const entry = await at(path, () => disk.look(path));
    if (entry === undefined) continue;
    const mended = await assertPrivate(disk, path, entry, owner);
    if (mended !== undefined) healed.push(mended);
    const place = { fileName, temporary: suffix !== undefined, bad: bad !== undefined };
    const read = <T>(
      maxBytes: number,
      decode: (bytes: Uint8Array) => ReadOutcome<T>,
    ): Promise<Found<T>["outcome"]> => readFound(disk, path, maxBytes, decode);
    if (reserve !== undefined) {
      if (place.temporary) litter.push(fileName);
      else reserveBytes = entry.sizeBytes;
    } else if (slot !== undefined) {
      const outcome = await read(2 * SLOT_BYTES, (bytes) => decodeState(bytes, format));
      states.push({ ...place, name: slot, outcome });
    } else if (id !== undefined) {
      const outcome = await read(MAX_GENERATION_BYTES, (bytes) => decodeGeneration(bytes, id));
      generations.push({ ...place, name: id, outcome });
    } else if (key !== undefined) {
      keys.push({ ...place, name: key, outcome: await read(MAX_NAMED_BYTES, decodeKey) });
    } else if (note !== undefined) {
      notes.push({ ...place, name: note, outcome: await read(MAX_NAMED_BYTES, decodeNote) });
    }
  }
  return { states, generations, keys, notes, reserveBytes, litter, healed };
}

async function readFound<T>(
  disk: StateDisk,
  path: string,
  maxBytes: number,
  decode: (bytes: Uint8Array) => ReadOutcome<T>,
): Promise<Found<T>["outcome"]> {
  const outcome = await readOutcome(disk, path, maxBytes, decode);
  if (outcome.kind !== "newer") return outcome;
  throw new AgentError(
    "ERR_STORE_FORMAT",
    `${path} was written by a newer microedge (format ${outcome.version})`,
    { fields: { path, format: outcome.version } },
  );
}

async function readOutcome<T>(
  disk: StateDisk,
  path: string,
  maxBytes: number,
  decode: (bytes: Uint8Array) => ReadOutcome<T>,
): Promise<ReadOutcome<T> | { readonly kind: "unreadable" }> {
  try {
    return decode(await disk.read(path, maxBytes));
  } catch (error) {
    if (error instanceof RangeError) return { kind: "damaged" };
    if (errnoOf(error) === "EIO") return { kind: "unreadable" };
    return at(path, () => Promise.reject(error));
  }
}

/** @returns What was mended, in words. @throws AgentError `ERR_STORE_UNSAFE`. */
async function assertPrivate(
  disk: StateDisk,
  path: string,
  entry: DiskEntry,
  owner: number,
): Promise<string | undefined> {
  if (entry.kind !== "file") throw unsafe(path, "is no plain file; remove it");
  if (entry.uid !== owner) {
    throw unsafe(path, `belongs to user ${entry.uid}, not to ${owner}; run chown ${owner} ${path}`);
  }
  if ((entry.mode & 0o077) === 0) return undefined;
  const was = `${path}: other users could read it (mode ${entry.mode.toString(8)})`;
  try {
    await disk.setMode(path, 0o600);
  } catch (error) {
    return `${was}, and still can: ${errorText(error)}`;
  }
  return `${was}; now it is private`;
}

export function unsafe(path: string, why: string): AgentError {
  return new AgentError("ERR_STORE_UNSAFE", `${path} ${why}`, { fields: { path } });
}
