/**
 * Files in memory whose every write is a new version.
 */
import type { FileState, Files } from "#src/host/files.ts";

interface Entry {
  readonly bytes: Uint8Array;
  readonly version: number;
  readonly mode: number;
}

export class MemoryFiles implements Files {
  readonly #entries = new Map<string, Entry>();
  #version = 0;
  reads = 0;
  /** What a read waits for; nothing as long as no test says otherwise. */
  beforeRead: () => Promise<void> = async () => undefined;

  write(path: string, text: string, mode = 0o600): void {
    this.#version += 1;
    this.#entries.set(path, {
      bytes: new TextEncoder().encode(text),
      version: this.#version,
      mode,
    });
  }

  remove(path: string): void {
    this.#entries.delete(path);
  }

  async state(path: string): Promise<FileState> {
    const { bytes, version, mode } = this.#entry(path);
    return { version: String(version), sizeBytes: bytes.length, mode };
  }

  async read(path: string): Promise<Uint8Array> {
    this.reads += 1;
    await this.beforeRead();
    return this.#entry(path).bytes;
  }

  #entry(path: string): Entry {
    const entry = this.#entries.get(path);
    if (entry !== undefined) return entry;
    throw Object.assign(new Error(`ENOENT: no such file or directory, stat '${path}'`), {
      code: "ENOENT",
    });
  }
}
