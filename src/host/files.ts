/**
 * Reading small files that somebody else may replace at any moment (certificates, keys, bundles).
 */
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";

export interface FileState {
  /** Differs whenever the file behind the path was replaced or written; symlinks are followed. */
  readonly version: string;
  readonly sizeBytes: number;
  /** Permission bits, as in `0o640`. */
  readonly mode: number;
}

export interface Files {
  /** Rejects with Node's own error (`ENOENT`, `EACCES`, ...). */
  state(path: string): Promise<FileState>;
  /**
   * Reads the whole file, refusing with `RangeError` when it is larger than `maxBytes`, and with
   * `TypeError` what is not a file: a pipe or a device would be waited for without end.
   */
  read(path: string, maxBytes: number): Promise<Uint8Array>;
}

export const systemFiles: Files = {
  async state(path) {
    const found = await stat(path, { bigint: true });
    const { dev, ino, size, mtimeNs, ctimeNs } = found;
    return {
      version: [dev, ino, size, mtimeNs, ctimeNs].join("-"),
      sizeBytes: Number(size),
      mode: Number(found.mode) & 0o7777,
    };
  },
  async read(path, maxBytes) {
    // Without O_NONBLOCK already opening a pipe waits for its writer, and holds a thread meanwhile.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile() && !found.isDirectory()) throw new TypeError(`${path} is not a file`);
    const bytes = new Uint8Array(maxBytes + 1);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      if (bytesRead === 0) return bytes.slice(0, length);
      length += bytesRead;
    }
    throw new RangeError(`${path} is larger than ${maxBytes} bytes`);
  },
};
