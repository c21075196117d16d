/**
 * Stores for tests: what goes into a generation, and a store over any disk.
 */
import { createHash, X509Certificate } from "node:crypto";
import type { DirectoryLock } from "#src/host/directory-lock.ts";
import type { StateDisk } from "#src/host/state-disk.ts";
import type { KeyReference } from "#src/identity/keys/key-provider.ts";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import type { GenerationContent } from "#src/identity/store/generation.ts";
import { openCertificateStore, type StoreOptions } from "#src/identity/store/open-store.ts";
import { testPki } from "./certificates.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeRandom } from "./fake-random.ts";
import { STORE_DIR } from "./power-disk.ts";
import { RecordingLog } from "./recording-log.ts";

/** Nobody else is there. */
export const FREE_LOCK: DirectoryLock = {
  take: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
};

/** Generations of one device: fresh keys, one authority. The sealed key is made up. */
export async function storeContents(count: number): Promise<readonly GenerationContent[]> {
  const pki = await testPki();
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const { certificatePem } = await pki.issue(`device-${index}`);
      const { publicKey } = new X509Certificate(certificatePem);
      const spki = publicKey.export({ type: "spki", format: "der" });
      return {
        key: keyReference(createHash("sha256").update(spki).digest("hex")),
        chainPem: certificatePem,
        trustBundlePem: pki.caPem,
        origin: "import" as const,
      };
    }),
  );
}

export function keyReference(spkiSha256 = "ab".repeat(32)): KeyReference {
  const locator = Buffer.from(`sealed ${spkiSha256}`).toString("base64");
  return { provider: "sealed", algorithm: "ecdsa-p256", spkiSha256, locator };
}

export interface TestStore {
  readonly store: CertificateStore;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
}

/** Opens a store on a fake clock; each opening draws other random bytes. */
export async function openStore(
  disk: StateDisk,
  options: Partial<StoreOptions> = {},
  seed = 1,
): Promise<TestStore> {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const store = await openCertificateStore({
    ...{ dir: STORE_DIR, disk, lock: FREE_LOCK, random: new FakeRandom(seed), clock, log },
    ...options,
  });
  return { store, clock, log };
}

/** What a store holds, in one text: two stores that hold the same have the same. */
export async function contentsOf(
  store: CertificateStore,
  notes: readonly string[] = [],
): Promise<string> {
  const { current, previous, next } = store;
  const name = (one: typeof current): string =>
    one === undefined ? "none" : `${one.number}=${one.digest.slice(0, 8)}(${one.mark})`;
  const read = await Promise.all(
    notes.map(
      async (note) => `${note}=${Buffer.from((await store.readNote(note)) ?? []).toString()}`,
    ),
  );
  return [
    `current ${name(current)}`,
    `previous ${name(previous)}`,
    `next ${name(next)}`,
    `history ${store.history().map(name).join(",")}`,
    `keys ${[...store.pendingKeys().keys()].sort().join(",")}`,
    `notes ${read.join(",")}`,
  ].join("; ");
}
