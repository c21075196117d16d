/**
 * A process that does one operation on a real store and says when it is acknowledged; tests kill it.
 *
 *   store-program.ts DIR OPERATION [CONTENT.json]
 *
 * `naive` overwrites a file in place, as careless tools do: the tests must catch it.
 */
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { SILENT } from "#src/base/log.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemDirectoryLock } from "#src/host/directory-lock.ts";
import { systemRandom } from "#src/host/random.ts";
import { type StateDisk, systemStateDisk } from "#src/host/state-disk.ts";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import type { GenerationContent } from "#src/identity/store/generation.ts";
import { openCertificateStore } from "#src/identity/store/open-store.ts";

const [, , dir = "", operation = "", contentPath = ""] = process.argv;
const BAD = [{ code: "probe", words: "the broker refused it" }];

const { promise: syncBegins, resolve: begin } = Promise.withResolvers<void>();
let syncing = false;

const OPERATIONS: Readonly<Record<string, (store: CertificateStore) => Promise<unknown>>> = {
  install: async (store) => {
    await store.stage(content());
    await store.commit();
  },
  fallBack: (store) => store.fallBack(BAD),
  reset: (store) => store.reset(),
  slow: async (store) => {
    const note = store.writeNote("floor", new Uint8Array(10));
    await syncBegins;
    let reads = 0;
    while (syncing && reads < 20) {
      await systemStateDisk.look("/");
      if (syncing) reads += 1;
    }
    await note;
    process.stdout.write(`reads during the sync: ${reads}; `);
  },
  note: (store) => store.writeNote("floor", new TextEncoder().encode("new ".repeat(3000))),
};

/** The real disk, watched while it syncs a file that it has created for a note. */
const watched: StateDisk = {
  ...systemStateDisk,
  create: async (path) => {
    const file = await systemStateDisk.create(path);
    if (!path.includes("note-")) return file;
    return {
      write: (bytes, position) => file.write(bytes, position),
      sync: async () => {
        const done = file.sync();
        syncing = true;
        begin();
        await done;
        syncing = false;
      },
      syncBytes: () => file.syncBytes(),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  },
};

function content(): GenerationContent {
  return JSON.parse(readFileSync(contentPath, "utf8"));
}

if (operation === "naive") {
  await using file = await open(join(dir, "current"), "w");
  await file.write("b".repeat(9000));
  await file.sync();
} else {
  const run = OPERATIONS[operation];
  if (run === undefined) throw new Error(`no operation ${operation}`);
  await using store = await openCertificateStore({
    ...{ dir, disk: watched, lock: systemDirectoryLock(systemClock), log: SILENT },
    ...{ clock: systemClock, random: systemRandom },
  });
  await run(store);
}
process.stdout.write("acknowledged\n");
