import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { lstatSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { COMMANDS } from "#src/cli/command-table.ts";
import { runCommandLine } from "#src/cli/dispatch.ts";
import { FakeTerminal } from "../../../fakes/terminal.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "pki-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function run(...words: string[]) {
  const terminal = new FakeTerminal(directory);
  const code = await runCommandLine(words, COMMANDS, terminal);
  return { code, out: terminal.stdout.text, err: terminal.stderr.text };
}
const read = (name: string): string => readFileSync(join(directory, "pki", name), "utf8");

suite("pki", () => {
  test("an authority and a certificate that it issued", async () => {
    assert.equal((await run("pki", "init")).code, 0);
    const sans = "dns:gw.local,ip:127.0.0.1,uri:spiffe://lab/gw";
    const issued = await run("pki", "issue", "gw", "--san", sans, "--days", "10", "--json");
    assert.equal(issued.code, 0, issued.err);
    const ca = new X509Certificate(read("ca.crt"));
    const leaf = new X509Certificate(read("gw.crt"));
    assert.ok(ca.ca && !leaf.ca);
    assert.ok(leaf.checkIssued(ca) && leaf.verify(ca.publicKey));
    assert.ok(leaf.checkPrivateKey(createPrivateKey(read("gw.key"))));
    assert.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
    assert.equal(leaf.subject, "CN=gw");
    assert.equal(leaf.subjectAltName, "DNS:gw.local, URI:spiffe://lab/gw, IP Address:127.0.0.1");
    assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"]);
    const { notAfter } = JSON.parse(issued.out) as { notAfter: number };
    assert.equal(leaf.validToDate.getTime(), notAfter);
    assert.equal(notAfter, new FakeTerminal().clock.now() + 10 * 86_400_000);
    for (const name of ["ca.key", "gw.key"]) {
      assert.equal((lstatSync(join(directory, "pki", name)).mode & 0o777).toString(8), "600", name);
    }
  });

  for (const [flags, usages] of [
    [["--client"], ["1.3.6.1.5.5.7.3.2"]],
    [["--server"], ["1.3.6.1.5.5.7.3.1"]],
    [
      ["--client", "--server"],
      ["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"],
    ],
    [
      ["--client", "--both"],
      ["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"],
    ],
  ] as const) {
    test(`${flags.join(" ")}: extended key usage`, async () => {
      await run("pki", "init");
      assert.equal((await run("pki", "issue", "x", ...flags)).code, 0);
      assert.deepEqual(new X509Certificate(read("x.crt")).keyUsage, usages);
      assert.equal(new X509Certificate(read("x.crt")).subjectAltName, "DNS:x");
    });
  }

  test("nothing is overwritten: exit code 73, the file is named, the old one stays", async () => {
    await run("pki", "init");
    await run("pki", "issue", "gw");
    const [ca, gw] = [read("ca.key"), read("gw.key")];
    for (const words of [
      ["pki", "init"],
      ["pki", "issue", "gw"],
      ["pki", "issue", "ca"],
    ]) {
      const { code, err } = await run(...words);
      assert.equal(code, 73);
      assert.match(err, /pki\/(ca|gw)\.key exists/);
    }
    assert.deepEqual([read("ca.key"), read("gw.key")], [ca, gw]);
  });

  test("without an authority: exit code 74, and how to get one", async () => {
    const { code, err } = await run("pki", "issue", "gw", "--dir", "lab");
    assert.equal(code, 74);
    assert.match(err, /cannot read the authority.*ca\.crt/);
    assert.match(err, /fix: create an authority with `microedge pki init --dir lab`/);
  });

  test("no key is ever printed", async () => {
    const outputs = [await run("pki", "init"), await run("pki", "issue", "gw", "--json")];
    for (const { out, err } of outputs) assert.doesNotMatch(out + err, /PRIVATE|BEGIN/);
  });
});
