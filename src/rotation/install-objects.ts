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

/** The intent that a note or a key of the store was kept for; `undefined`: none. */
export function keptFor(
  name: string,
): { readonly kind: PushedKind; readonly generation: number } | undefined {
  const [, kind, generation] = NOTE.exec(name) ?? KEY.exec(name) ?? [];
  if (kind !== "install" && kind !== "trust") return undefined;
  return { kind, generation: Number(generation) };
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
  const isLeft = (name: string): boolean => {
    const kept = keptFor(name);
    return kept?.kind === kind && !wanted.has(`${kind}-${kept.generation}`);
  };
  for (const name of store.pendingKeys().keys()) if (isLeft(name)) await store.dropKey(name);
  for (const name of new Set(store.noteNames().map(longNoteOf))) {
    if (isLeft(name)) await dropLongNote(store, name);
  }
}
