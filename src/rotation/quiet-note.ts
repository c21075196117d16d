/**
 * A note of the store that renewal does better with, and does without: what can't be read or written is told,
 * and never thrown.
 */
import type { GenericSchema } from "valibot";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { formatNote, parseNote } from "../identity/store/json-note.ts";

export interface QuietNotePorts {
  readonly store: Pick<CertificateStore, "readNote" | "writeNote" | "dropNote">;
  readonly log: Logger;
}

export class QuietNote<T extends object> {
  readonly #ports: QuietNotePorts;
  readonly #name: string;
  readonly #shape: GenericSchema<unknown, T>;

  constructor(ports: QuietNotePorts, name: string, shape: GenericSchema<unknown, T>) {
    this.#ports = ports;
    this.#name = name;
    this.#shape = shape;
  }

  /** `undefined` without one that this version can read. Never rejects. */
  read(): Promise<T | undefined> {
    const { store } = this.#ports;
    return this.#quietly(async () => parseNote(this.#shape, await store.readNote(this.#name)));
  }

  /** Never rejects. */
  async write(value: T): Promise<void> {
    await this.#quietly(() => this.#ports.store.writeNote(this.#name, formatNote(value)));
  }

  /** Never rejects. */
  async drop(): Promise<void> {
    await this.#quietly(() => this.#ports.store.dropNote(this.#name));
  }

  async #quietly<R>(run: () => Promise<R>): Promise<R | undefined> {
    try {
      return await run();
    } catch (error) {
      const reason = errorText(error);
      this.#ports.log.emit("renewal.unwritten", { note: this.#name, reason });
      return undefined;
    }
  }
}
