/**
 * The disk as the store sees it: a few calls, each of which can fail or be the last before the power
 * goes. Nothing is durable before it was synced: a file's bytes by `sync`, a name (new, renamed or
 * removed) by `syncDirectory`. All calls reject with Node's own error (`ENOSPC`, `EROFS`, `EIO`, ...).
 *
 * Files are opened without following symbolic links, and created with mode 0600 only where no file
 * is, so that nobody can aim a write at another file. test/fakes/power-disk.ts fills the same port.
 */
import { constants } from "node:fs";
import {
  chmod,
  type FileHandle,
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  statfs,
  unlink,
} from "node:fs/promises";

export interface StateDisk {
  /** Whose files are made: the effective user id. */
  readonly user: number;
  /** What is at `path` itself; a symbolic link is not followed. `undefined` when nothing is. */
  look(path: string): Promise<DiskEntry | undefined>;
  /** Names in a directory, sorted. */
  list(dir: string): Promise<readonly string[]>;
  /** The whole file. Rejects with `RangeError` when it is larger than `maxBytes`. */
  read(path: string, maxBytes: number): Promise<Uint8Array>;
  /** Free for this user, bytes; and names that can still be made. */
  free(dir: string): Promise<{ readonly bytes: number; readonly files: number }>;

  /** A new directory, mode 0700. */
  makeDirectory(path: string): Promise<void>;
  /** A new file, mode 0600, for writing; `EEXIST` when there is one. */
  create(path: string): Promise<StateFile>;
  /** A file that is there, for writing in place. */
  open(path: string): Promise<StateFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  /** Gives a file or directory to another user; only root may. */
  setOwner(path: string, uid: number, gid: number): Promise<void>;
  /** Makes the names in `dir` durable. */
  syncDirectory(dir: string): Promise<void>;
}

export interface StateFile extends AsyncDisposable {
  /** All of `bytes`, from `position` on. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Makes bytes, size and mode durable. After a failure the page cache may hide what the disk holds. */
  sync(): Promise<void>;
  /** Makes the bytes of a file durable whose size did not change; spares the journal. */
  syncBytes(): Promise<void>;
}

export interface DiskEntry {
  readonly kind: "file" | "directory" | "other";
  /** Permission bits, as in `0o600`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Names the object on this machine, whatever path leads to it. */
  readonly identity: string;
}

export const systemStateDisk: StateDisk = {
  get user() {
    return process.geteuid?.() ?? 0;
  },
  async look(path) {
    try {
      const found = await lstat(path, { bigint: true });
      return {
        kind: found.isFile() ? "file" : found.isDirectory() ? "directory" : "other",
        mode: Number(found.mode) & 0o7777,
        uid: Number(found.uid),
        gid: Number(found.gid),
        sizeBytes: Number(found.size),
        identity: `${found.dev}-${found.ino}`,
      };
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  },
  async list(dir) {
    return (await readdir(dir)).sort();
  },
  async read(path, maxBytes) {
    // O_NONBLOCK: to open a pipe for reading would wait for its writer, and hold a thread meanwhile.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    await using file = await open(path, flags);
    const { size } = await file.stat();
    if (size > maxBytes) throw new RangeError(`${path} is larger than ${maxBytes} bytes`);
    const bytes = new Uint8Array(size);
    let length = 0;
    while (length < size) {
      const { bytesRead } = await file.read(bytes, length, size - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  },
  async free(dir) {
    const found = await statfs(dir);
    // File systems that make inodes as they go report none at all.
    const files = found.files === 0 ? Number.MAX_SAFE_INTEGER : found.ffree;
    return { bytes: found.bavail * found.bsize, files };
  },
  async makeDirectory(path) {
    await mkdir(path, { mode: 0o700 });
  },
  async create(path) {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    return new OpenFile(await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
  },
  async open(path) {
    return new OpenFile(await open(path, constants.O_WRONLY | constants.O_NOFOLLOW));
  },
  rename,
  remove: unlink,
  setMode: chmod,
  setOwner: lchown,
  async syncDirectory(dir) {
    await using handle = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
    await handle.sync();
  },
};

class OpenFile implements StateFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    // A disk that fills up in the middle takes a part and says so only at the next write.
    let written = 0;
    while (written < bytes.length) {
      const left = bytes.length - written;
      const part = await this.#handle.write(bytes, written, left, position + written);
      written += part.bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  syncBytes(): Promise<void> {
    return this.#handle.datasync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }
}

/** `ENOSPC` and the like from anything thrown; `undefined` for what is no error of the system. */
export function errnoOf(thrown: unknown): string | undefined {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
