/**
 * The disk refuses: every step of every operation of the store fails with every errno, once or from
 * then on. The operation is rejected with a code, a path and an errno, or it succeeds; what is in
 * force stays in force; once the disk works again the store does, too, by itself.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import { settle } from "../fakes/fake-clock.ts";
import { PowerDisk } from "../fakes/power-disk.ts";
import { contentsOf, openStore } from "../fakes/store.ts";
import { OPERATIONS, type Operation } from "../fakes/store-operations.ts";

const ERRORS = [
  { errno: "ENOSPC", code: "ERR_STORE_FULL", why: "logs filled the disk" },
  { errno: "EDQUOT", code: "ERR_STORE_FULL", why: "the user's share is used up" },
  {
    errno: "EROFS",
    code: "ERR_STORE_READ_ONLY",
    why: "ext4 falls back to read-only after an error",
  },
  { errno: "EIO", code: "ERR_STORE_IO", why: "a worn card gives up on a block" },
] as const;
const TWO_MINUTES = 120_000;

/** Contents without numbers: a number that was refused is not given again. */
const unnumbered = (contents: string): string => contents.replaceAll(/\d+=/g, "");
const contents = (store: CertificateStore): Promise<string> => contentsOf(store, ["floor"]);

async function prepared({ before }: Operation) {
  const disk = new PowerDisk();
  const opened = await openStore(disk);
  await before(opened.store);
  return { disk, ...opened };
}

/** Steps that an operation takes, and what the store holds after it. */
async function course(row: Operation): Promise<{ steps: number; after: string }> {
  const { disk, store } = await prepared(row);
  const first = disk.steps.length;
  await row.run(store);
  return { steps: disk.steps.length - first, after: await contents(store) };
}

let points = 0;

async function failAt(
  row: Operation,
  after: string,
  fault: { readonly step: number; readonly what: string; readonly lasting: number },
  code: string,
): Promise<void> {
  points += 1;
  const { disk, store, clock } = await prepared(row);
  const before = await contents(store);
  disk.fault = { ...fault, step: disk.steps.length + fault.step };
  const error: unknown = await row.run(store).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  disk.fault = undefined;
  const now = await contents(store);
  if (error !== undefined) {
    assert.ok(error instanceof AgentError, String(error));
    assert.equal(error.code, code);
    assert.equal(error.fields["errno"], fault.what);
    assert.match(String(error.fields["path"]), /^\/state\/store/);
    assert.ok(store.health.fault?.includes(fault.what), "the status says so");
    assert.equal(store.health.writable, false);
    // A reset that is decided is carried through.
    if (row.name !== "reset") assert.equal(now, before);
  } else assert.equal(unnumbered(now), unnumbered(after));
  for (const [world, left] of disk.worlds()) {
    const { store: reopened } = await openStore(left, {}, 7);
    const found = unnumbered(await contents(reopened));
    assert.ok([unnumbered(before), unnumbered(after)].includes(found), `${world}: ${found}`);
  }
  await clock.advance(TWO_MINUTES);
  await settle();
  assert.equal(store.health.fault, undefined, "recovered by itself");
  if (error !== undefined && unnumbered(now) !== unnumbered(after)) await row.run(store);
  assert.equal(unnumbered(await contents(store)), unnumbered(after));
  disk.cutPower();
  for (const [world, left] of disk.worlds()) {
    const { store: reopened } = await openStore(left, {}, 7);
    assert.equal(unnumbered(await contents(reopened)), unnumbered(after), `acknowledged, ${world}`);
  }
}

suite("the disk refuses a step", () => {
  for (const row of OPERATIONS) {
    for (const { errno, code, why } of ERRORS) {
      test(`${row.name}, ${errno}: ${why}`, async () => {
        const { steps, after } = await course(row);
        for (let step = 1; step <= steps; step++) {
          for (const lasting of [1, 1000]) {
            await failAt(row, after, { step, what: errno, lasting }, code);
          }
        }
      });
    }
  }

  test("counted", (t) => {
    t.diagnostic(`${points} failures of the disk, nothing lost`);
    assert.ok(points > 500, `${points}`);
  });
});
