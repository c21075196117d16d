/**
 * What pushed identities and trust updates have in common: entries of the queue that name notes and keys of the
 * store. An entry is made last and its objects go after it, so a crash leaves objects without an entry at
 * worst, which the next start removes.
 */
import { AgentError, errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { Turns } from "../base/turns.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { type Intent, objectNamed } from "../queue/intent.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import { dropLeft, noteName, type PushedKind } from "./install-objects.ts";

export interface PushedEntriesPorts {
  readonly store: CertificateStore;
  readonly queue: IntentQueue;
  readonly log: Logger;
}

const LEFT = { install: "install.left", trust: "trust.update.left" } as const;

export class PushedEntries implements AsyncDisposable {
  readonly #kind: PushedKind;
  readonly #ports: PushedEntriesPorts;
  /** When what an entry brings begins, where its time had not come; Unix ms by id. */
  readonly #early = new Map<string, number>();
  readonly #turns = new Turns();
  #unwatch: () => void = () => undefined;

  constructor(kind: PushedKind, ports: PushedEntriesPorts) {
    this.#kind = kind;
    this.#ports = ports;
  }

  /** Removes what a crash has left, and from now on what belongs to entries that are over. */
  async start(): Promise<void> {
    this.#unwatch = this.#ports.queue.onChange(({ what, intent }) => {
      if (intent.kind === this.#kind && (what === "ended" || what === "dropped")) void this.sweep();
    });
    await this.sweep();
  }

  /** Accepts one at a time, and none while objects are removed. Rejects with what `accept` rejects with. */
  take<T>(accept: () => Promise<T>): Promise<T> {
    return this.#turns.take(accept);
  }

  /**
   * Makes the entry of what has been judged; to be called within {@link take}.
   *
   * @param write Writes its note, and before that what else it needs.
   * @throws AgentError `ERR_STORE_*`, `ERR_QUEUE_*`: nothing was kept.
   */
  async add(generation: number, write: () => Promise<void>): Promise<Intent> {
    const { queue } = this.#ports;
    const object = objectNamed("note", noteName(this.#kind, generation));
    try {
      await write();
      const added = await queue.add({ kind: this.#kind, generation, object });
      const { id } = added;
      if (!queue.health.durable) {
        await queue.drop(id);
        throw new AgentError("ERR_QUEUE_IO", `${id} could not be made durable`);
      }
      // What it was given up for is no longer so: it has just been judged, and its note is whole again.
      return added.state === "failed" ? await queue.retry(id) : added;
    } catch (error) {
      // As good as it goes on a disk that fails; the next start removes what is left.
      void this.sweep();
      throw error;
    }
  }

  /** Removes objects that no entry needs any more. Never rejects: what stays costs space only. */
  sweep(): Promise<void> {
    return this.#turns.take(async () => {
      const { store, queue, log } = this.#ports;
      try {
        await dropLeft(store, queue, this.#kind);
      } catch (error) {
        log.emit(LEFT[this.#kind], { reason: errorText(error) });
      }
      for (const id of this.#early.keys()) if (queue.find(id) === undefined) this.#early.delete(id);
    });
  }

  /** What it brings is known to begin then; Unix ms. */
  isEarly(id: string, beginsAt: number): void {
    this.#early.set(id, beginsAt);
  }

  /** Its time has come. */
  hasBegun(id: string): void {
    this.#early.delete(id);
  }

  /** Unix ms; 0 when it is not known to be early. */
  beginsAt(id: string): number {
    return this.#early.get(id) ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unwatch();
    await this.#turns.idle();
  }
}
