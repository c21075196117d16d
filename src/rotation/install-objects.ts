/**
 * What the store keeps for intents of the queue, by name: notes `install-N` and `trust-N`, and the key
 * `install-key.N` of an identity that came with one.
 */
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { IntentKind } from "../queue/intent.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import { dropLongNote, longNoteOf } from "./long-note.ts";

export type PushedKind = Extract<IntentKind, "install" | "trust">;

const NOTE = /^(install|trust)-(\d+)$/;
const KEY = /^(install)-key\.(\d+)$/;

export function noteName(kind: PushedKind, generation: number): string {
  return `${kind}-${generation}`;
}

/** Of a key that came with an identity. */
export function keyName(generation: number): string {
  return `install-key.${generation}`;
}

/** Whether a key of the store came with an identity that was pushed. */
export function isPushedKey(name: string): boolean {
  return KEY.test(name);
}

/**
 * Removes the objects of intents that are over, and those that a crash has left before their intent was in
 * the queue. One that was given up keeps its own: it may be retried.
 *
 * @throws AgentError `ERR_STORE_*`: what stays costs space only.
 */
export async function dropLeft(
  store: CertificateStore,
  queue: Pick<IntentQueue, "list">,
  kind: PushedKind,
): Promise<void> {
  const open = queue.list().filter(({ state }) => state !== "done" && state !== "superseded");
  const wanted = new Set(open.map(({ id }) => id));
  const isLeft = (name: string, form: RegExp): boolean => {
    const [, of, generation] = form.exec(name) ?? [];
    return of === kind && !wanted.has(`${kind}-${generation}`);
  };
  for (const name of store.pendingKeys().keys()) {
    if (isLeft(name, KEY)) await store.dropKey(name);
  }
  for (const name of new Set(store.noteNames().map(longNoteOf))) {
    if (isLeft(name, NOTE)) await dropLongNote(store, name);
  }
}
