/**
 * The built agent, killed at the calls that touch its store and its queue while it renews at a real step-ca,
 * from the wish to the certificate that a peer has accepted; then started again, and left alone.
 *
 * step-ca issues as often as it is asked, and can tell by the key that it was one wish.
 */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { suite, test } from "node:test";
import { killMatrix } from "../fakes/kill-matrix.ts";
import { FULL, hasCommand, without } from "../fakes/needs.ts";
import { type Left, makeRenewingSite } from "../fakes/renewing-site.ts";
import { startStepCa } from "../fakes/step-ca.ts";

const skip = without("strace", hasCommand("strace"));
/** Of the hundred kills that CI does over all matrices. */
const LIMIT = FULL ? Number.MAX_SAFE_INTEGER : 10;
const PROGRAM = resolve(import.meta.dirname, "../fakes/renewal-program.ts");

/** How many certificates the authority may have issued in the end, least and most. */
function allowed({ step, held, answered }: Left): readonly [number, number] {
  // Not on flash, so nobody was told that it is wished for, and no request has left.
  if (step === undefined) return [0, 0];
  // An answer that is not yet on flash is asked for again, with the same key; one that is never.
  const lost = step === "request" && !held && !answered;
  return [1, lost ? 2 : 1];
}

suite("the built agent killed at every call that touches its state while it renews", {
  skip,
}, () => {
  test("started again it ends the renewal by itself, with one key and one certificate", {
    timeout: 3_600_000,
  }, async (t) => {
    await using ca = await startStepCa();
    await using device = await makeRenewingSite(ca);
    const seen = new Map<string, number>();
    const result = await killMatrix(
      {
        command: [process.execPath, PROGRAM, device.config],
        dir: device.dir,
        restore: () => device.restore(),
        acknowledged: ({ stdout }) => stdout.includes("acknowledged"),
        view: async () => {
          const left = await device.left();
          const found = await device.settled();
          const [least, most] = allowed(left);
          const issued = device.issued().length;
          const flash = [left.answered ? ", answered" : "", left.held ? ", held" : ""].join("");
          const where = `${left.step ?? "no wish"}${flash}: ${issued}`;
          seen.set(where, (seen.get(where) ?? 0) + 1);
          assert.ok(issued >= least && issued <= most, `${where} certificates were issued`);
          const renewed = found.startsWith("a renewed certificate ");
          assert.equal(renewed, left.step !== undefined, `a wish on flash is kept: ${found}`);
          return found;
        },
      },
      LIMIT,
    );
    t.diagnostic(`${result.points} calls touch the state; killed at ${result.kills}`);
    t.diagnostic([...seen].map(([where, times]) => `${where} (${times} times)`).join("; "));
    assert.deepEqual(result.violations, []);
    assert.ok(result.points > 60, `only ${result.points} calls`);
  });
});
