/**
 * In processes of their own: the function ends the one that it is called in.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { pathToFileURL } from "node:url";
import { run } from "../../fakes/child.ts";

const MODULE = pathToFileURL("src/host/end-process.ts").href;

/** Plays a process with these resources open, in which the usual way out says that it was taken. */
async function end(resources: readonly string[], before = "") {
  const program = `
    import { endProcess } from ${JSON.stringify(MODULE)};
    process.getActiveResourcesInfo = () => ${JSON.stringify(resources)};
    const exit = process.exit;
    process.exit = (code) => { console.log("usual"); exit(code); };
    ${before}
    endProcess(7);`;
  const flags = ["--input-type=module", "--disable-warning=ExperimentalWarning", "-e", program];
  const { code, stdout } = await run([process.execPath, ...flags]);
  return { code, usual: stdout.includes("usual") };
}

suite("endProcess", () => {
  test("ends in the usual way when no look-up is open", async () =>
    assert.deepEqual(await end(["Timeout"]), { code: 7, usual: true }));
  test("does not take the way that waits for a look-up; the code is the same", async () =>
    assert.deepEqual(await end(["Timeout", "GetAddrInfoReqWrap"]), { code: 7, usual: false }));
  test("takes it when there is no other", async () =>
    assert.deepEqual(
      await end(["GetAddrInfoReqWrap"], "process.execve = () => { throw new Error(); };"),
      { code: 7, usual: true },
    ));
});
