/** What an agent meets that was put back by a fall-back: notes of the version after it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { parseInstallNote, parsePosition } from "#src/rotation/install-note.ts";
import { readLongNote } from "#src/rotation/long-note.ts";
import { TRUST_NOTE, takenBundle } from "#src/rotation/trust-updates.ts";
import { MemoryStore } from "../../fakes/memory-store.ts";

const LATER = Buffer.from('{"version":2,"sequence":7,"generation":7,"digest":"d","parts":0}');

async function storeWith(name: string): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.writeNote(name, LATER);
  return store;
}

const READERS: readonly { readonly why: string; readonly read: () => Promise<unknown> }[] = [
  { why: "an identity that waits", read: async () => parseInstallNote(LATER.toString()) },
  {
    why: "how far pushes have come: an old one would count anew",
    read: async () => parsePosition(LATER),
  },
  {
    why: "how far trust updates have come: a replay could not be told",
    read: async () => takenBundle(await storeWith(TRUST_NOTE)),
  },
  { why: "a long text", read: async () => readLongNote(await storeWith("install-7"), "install-7") },
];
for (const { why, read } of READERS) {
  test(`a note of a later version is not guessed at: ${why}`, async () => {
    await assert.rejects(read, (error) => isAgentError(error, "ERR_STORE_CORRUPT"));
  });
}
