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
import { systemStateDisk } from "#src/host/state-disk.ts";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import type { GenerationContent } from "#src/identity/store/generation.ts";
import { openCertificateStore } from "#src/identity/store/open-store.ts";

const [, , dir = "", operation = "", contentPath = ""] = process.argv;
const BAD = [{ code: "probe", words: "the broker refused it" }];

const OPERATIONS: Readonly<Record<string, (store: CertificateStore) => Promise<unknown>>> = {
  install: async (store) => {
    await store.stage(content());
    await store.commit();
  },
  fallBack: (store) => store.fallBack(BAD),
  reset: (store) => store.reset(),
  note: (store) => store.writeNote("floor", new TextEncoder().encode("new ".repeat(3000))),
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
    ...{ dir, disk: systemStateDisk, lock: systemDirectoryLock(systemClock), log: SILENT },
    ...{ clock: systemClock, random: systemRandom },
  });
  await run(store);
}
process.stdout.write("acknowledged\n");
