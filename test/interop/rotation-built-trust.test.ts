/**
 * A fleet changes its authority, on the built program with real go-micro peers: nobody is turned away
 * on the way, and the old authority counts for nothing when its window is over.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { AdminClient } from "#src/sidecar/admin-client.ts";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { testPki } from "../fakes/certificates.ts";
import type { CredentialFiles } from "../fakes/site.ts";
import { makeSite } from "../fakes/site.ts";
import { GoClient, startGoServer } from "./go-peer.ts";

const WINDOW_MS = 8_000;
const ECHO = ["--service", "microedge", "--endpoint", "Agent.Echo", "--body", '{"text":"hi"}'];

suite("the built program between two authorities", () => {
  test("both are served in the window, and the old one is refused afterwards", {
    timeout: 120_000,
  }, async () => {
    await using site = await makeSite();
    const fresh = await testPki("New CA");
    const bothCa = await site.write("both.crt", site.pki.caPem + fresh.caPem);
    const issueNew = async (name: string): Promise<CredentialFiles> => {
      const leaf = await fresh.issue(name);
      const cert = await site.write(`${name}-new.crt`, leaf.certificatePem);
      return { cert, key: await site.write(`${name}-new.key`, leaf.keyPem), ca: bothCa };
    };
    // Before the change, amid it, and after it.
    const untouched = await site.issue("untouched");
    const prepared = { ...(await site.issue("prepared")), ca: bothCa };
    const changed = await issueNew("changed");
    await using oldService = await startGoServer("v5", prepared, "--name", "old");
    await using newService = await startGoServer("v5", changed, "--name", "new");
    await using agent = await startAgent({
      ...{ site, inStore: true },
      config: ["old", "new"]
        .map((service) => {
          const { address } = service === "old" ? oldService : newService;
          return `[[registry.static]]\nservice = "${service}"\naddresses = ["${address}"]\n`;
        })
        .join(""),
    });
    const admin = new AdminClient(join(site.directory, "control.sock"), agent.configPath);
    const served = async (peer: CredentialFiles): Promise<string> => {
      const [line] = await new GoClient("v5", agent.listen, peer).lines(...ECHO);
      return line?.reply?.["text"] === "hi" ? "served" : `refused: ${line?.error}`;
    };
    const called = async (service: string): Promise<string> => {
      const { code, stdout, stderr } = await agent.microedge(
        ...["call", service, "Greeter.Hello", '{"firstName":"roof"}'],
      );
      return code === 0 ? "answered" : `${stdout}${stderr}`;
    };
    const typed = async (on: AgentProcess, ...words: string[]): Promise<string> => {
      const { code, stdout, stderr } = await on.microedge(...words);
      assert.equal(code, 0, stderr);
      return stdout;
    };

    assert.equal(await served(untouched), "served");
    assert.match(await served(changed), /^refused/);

    // 1. The new authority is trusted beside the old one; the device still shows its old certificate.
    await typed(agent, "cert", "trust", "--replace", bothCa);
    for (const peer of [untouched, prepared, changed]) assert.equal(await served(peer), "served");
    for (const name of ["old", "new"]) assert.equal(await called(name), "answered");

    // 2. The device gets its certificate from the new authority.
    const { cert, key } = await issueNew("microedge");
    await typed(agent, "cert", "import", "--cert", cert, "--key", key);
    for (const peer of [prepared, changed]) assert.equal(await served(peer), "served");
    for (const name of ["old", "new"]) assert.equal(await called(name), "answered");

    // 3. The old authority is to leave. In days by the command line, in milliseconds by its socket.
    const { authorities, leaving } = await admin.certificates.replaceTrust(fresh.caPem, WINDOW_MS);
    assert.deepEqual([authorities.length, leaving.length], [2, 1]);
    assert.match(
      await typed(agent, "cert", "trust"),
      /CN=Test CA .* leaving\n.*\n?those that are leaving count until/,
    );
    for (const peer of [prepared, changed]) assert.equal(await served(peer), "served");
    for (const name of ["old", "new"]) assert.equal(await called(name), "answered");

    // 4. It has left.
    await agent.event("trust.overlap.ended", undefined, 4 * WINDOW_MS);
    assert.equal(await served(changed), "served");
    assert.match(await served(prepared), /^refused/);
    assert.equal(await called("new"), "answered");
    assert.match(await called("old"), /ERR_TLS|certificate|authority/);
    assert.doesNotMatch(await typed(agent, "cert", "trust"), /Test CA|leaving/);
    assert.equal((await admin.certificates.show()).leaf.issuer, "CN=New CA");
  });
});
