/**
 * What an operator does with the store by hand when something is odd, on the built program.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { BUNDLE } from "../fakes/agent-process.ts";
import { type Ended, run } from "../fakes/child.ts";
import { makeCrl } from "../fakes/crl-parts.ts";
import { makeSite, type Site } from "../fakes/site.ts";

const HOUR = 3_600_000;

suite("the store by hand", () => {
  let site: Site;
  before(async () => {
    site = await makeSite();
  });
  after(() => site[Symbol.asyncDispose]());

  const microedge = (config: string, ...args: readonly string[]): Promise<Ended> =>
    run([BUNDLE, ...args, "--config", config]);
  const place = (name: string, more = ""): Promise<string> =>
    site.write(
      `${name}.toml`,
      `[store]\ndir = "${name}-store"\n[sealing]\ndevice_file = "${name}.key"\n[control]\nsocket = "${name}.sock"\n${more}`,
    );

  test("back to the generation before, whose key is still there: no key file is needed", async () => {
    const config = await place("back");
    const first = await site.issue("gateway");
    const serial = parseCertificate(await readFile(first.cert, "utf8")).summary.serial;
    const old = join(site.directory, "first.crt");
    await writeFile(old, await readFile(first.cert));
    const files = ["--cert", first.cert, "--key", first.key, "--ca", first.ca];
    assert.equal((await microedge(config, "cert", "import", ...files)).code, 0);
    const second = await site.issue("gateway");
    const next = ["--cert", second.cert, "--key", second.key];
    assert.equal((await microedge(config, "cert", "import", ...next)).code, 0);
    const back = await microedge(config, "cert", "import", "--cert", old, "--force", "--json");
    assert.equal(back.code, 0, back.stdout);
    const { generation, leaf } = JSON.parse(back.stdout) as {
      generation: number;
      leaf: { serial: string };
    };
    assert.deepEqual([generation, leaf.serial], [3, serial]);
  });

  test("a reset works where what seals the keys is out of reach; nothing else does", async () => {
    const config = await place("sealed");
    const device = await site.issue("gateway-2");
    const files = ["--cert", device.cert, "--key", device.key, "--ca", device.ca];
    assert.equal((await microedge(config, "cert", "import", ...files)).code, 0);
    const text = await readFile(config, "utf8");
    await writeFile(config, text.replace("[sealing]\n", '[sealing]\ncredential = "seal"\n'));
    const shown = await microedge(config, "cert", "show");
    assert.equal(shown.code, 78);
    assert.match(shown.stderr, /sealing\.credential names the systemd credential seal/);
    const reset = await microedge(config, "store", "reset", "--yes");
    assert.equal(reset.code, 0, reset.stderr);
    assert.match(reset.stdout, /the store is empty/);
  });

  test("a certificate on a list is refused, though no agent runs", async () => {
    const device = await site.issue("gateway-3");
    const { serial } = parseCertificate(await readFile(device.cert, "utf8")).summary;
    const now = Date.now();
    await writeFile(
      join(site.directory, "list.crl"),
      makeCrl(site.pki.authority, {
        thisUpdate: now - HOUR,
        nextUpdate: now + HOUR,
        number: 1,
        revoked: [{ serial }],
      }),
    );
    const config = await place("listed", '[revocation]\ncrl = ["list.crl"]\n');
    const files = ["--cert", device.cert, "--key", device.key, "--ca", device.ca];
    const refused = await microedge(config, "cert", "import", ...files, "--json");
    assert.equal(refused.code, 1, refused.stdout);
    const { error } = JSON.parse(refused.stdout) as {
      error: { code: string; reasons: { code: string }[] };
    };
    assert.equal(error.code, "ERR_CERT_REFUSED");
    assert.deepEqual(
      error.reasons.map(({ code }) => code),
      ["revoked"],
    );
  });
});
