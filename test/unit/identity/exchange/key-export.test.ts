import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { AgentError, isAgentError } from "#src/base/errors.ts";
import { systemRandom } from "#src/host/random.ts";
import { importIdentity } from "#src/identity/exchange/identity-import.ts";
import { exportPem, exportPkcs12, type KeyExport } from "#src/identity/exchange/key-export.ts";
import type { OpenKey } from "#src/identity/keys/key-provider.ts";
import { type IdentityFiles, identityFiles } from "../../../fakes/identity-files.ts";
import { hasCommand, without } from "../../../fakes/needs.ts";
import { sealedKeys, secretIn, secretsOf } from "../../../fakes/sealing-key.ts";

let files: IdentityFiles;
let key: OpenKey;

before(async () => {
  files = await identityFiles();
  const keys = sealedKeys();
  key = await keys.open(await keys.import(files.keyPem));
});
after(() => files[Symbol.dispose]());

const PASSPHRASE = "correct horse grüße €";
const request = (change: Partial<KeyExport> = {}): KeyExport => ({
  key,
  chainPem: files.leafPem + files.intermediatePem,
  friendlyName: "Gerät 7",
  passphrase: PASSPHRASE,
  random: systemRandom,
  ...change,
});

suite("exports", () => {
  for (const kind of ["PEM", "PKCS#12"] as const) {
    test(`${kind}: comes back whole, and only under the passphrase`, async () => {
      const exported =
        kind === "PEM" ? Buffer.from(await exportPem(request())) : await exportPkcs12(request());
      const file = [{ name: "export", bytes: exported }];
      const found = await importIdentity(file, { passphrase: PASSPHRASE });
      assert.equal(found.chainPem, files.leafPem + files.intermediatePem);
      assert.ok(createPrivateKey(found.privateKeyPem ?? "").equals(createPrivateKey(files.keyPem)));
      await assert.rejects(importIdentity(file, { passphrase: "another phrase" }), (error) =>
        isAgentError(error, "ERR_KEY_PASSPHRASE"),
      );
      for (const secret of secretsOf(files.keyPem)) {
        assert.equal(secretIn(Buffer.from(exported).toString("latin1"), secret), undefined);
      }
    });
  }

  test("two exports share neither salt nor ciphertext", async () => {
    const [one, two] = [await exportPem(request()), await exportPem(request())];
    assert.notEqual(one.split("\n")[3], two.split("\n")[3]);
  });

  test("openssl reads the PEM", { skip: without("openssl", hasCommand("openssl")) }, async () => {
    files.write("export.pem", await exportPem(request()));
    files.run(
      "openssl",
      "pkey",
      "-in",
      "export.pem",
      "-passin",
      `pass:${PASSPHRASE}`,
      "-out",
      "plain",
    );
    assert.equal(Buffer.from(files.read("plain")).toString(), files.keyPem);
    assert.match(files.run("openssl", "asn1parse", "-in", "export.pem"), /:scrypt/);
  });

  test("openssl reads the PKCS#12", {
    skip: without("openssl", hasCommand("openssl")),
  }, async () => {
    files.write("export.p12", await exportPkcs12(request()));
    const shown = files.run(
      "openssl",
      "pkcs12",
      "-in",
      "export.p12",
      "-passin",
      `pass:${PASSPHRASE}`,
      "-nodes",
    );
    assert.ok(shown.includes(files.keyPem));
    assert.ok(shown.includes(files.leafPem) && shown.includes(files.intermediatePem));
    assert.throws(
      () => files.run("openssl", "pkcs12", "-in", "export.p12", "-passin", "pass:wrong", "-noout"),
      /invalid password/,
    );
  });

  test("keytool reads the PKCS#12", {
    skip: without("keytool", hasCommand("keytool")),
  }, async () => {
    const passphrase = "correct horse battery";
    files.write("java.p12", await exportPkcs12(request({ passphrase, friendlyName: "gw" })));
    const listed = files.run(
      "keytool",
      "-list",
      "-v",
      "-keystore",
      "java.p12",
      "-storepass",
      passphrase,
    );
    assert.match(listed, /Alias name: gw\n/);
    assert.match(listed, /Entry type: PrivateKeyEntry\nCertificate chain length: 2/);
    // Listing reads certificates only; signing a request opens the key.
    const csr = files.run(
      "keytool",
      "-certreq",
      "-alias",
      "gw",
      "-keystore",
      "java.p12",
      "-storepass",
      passphrase,
    );
    assert.match(csr, /BEGIN NEW CERTIFICATE REQUEST/);
  });

  for (const [why, change, code] of [
    ["a short passphrase", { passphrase: "short" }, "ERR_KEY_PASSPHRASE"],
    ["an endless passphrase", { passphrase: "x".repeat(2000) }, "ERR_KEY_PASSPHRASE"],
  ] as const) {
    test(`refuses ${why}`, async () => {
      await assert.rejects(exportPem(request(change)), (error) => isAgentError(error, code));
      await assert.rejects(exportPkcs12(request(change)), (error) => isAgentError(error, code));
    });
  }

  test("a key in hardware stays there", async () => {
    const hardware: OpenKey = {
      reference: key.reference,
      publicKey: key.publicKey,
      tlsKey: "",
      sign: (bytes) => key.sign(bytes),
      exportPkcs8() {
        throw new AgentError("ERR_KEY_NOT_EXPORTABLE", "the key is in the token");
      },
    };
    await assert.rejects(exportPkcs12(request({ key: hardware })), (error) =>
      isAgentError(error, "ERR_KEY_NOT_EXPORTABLE"),
    );
  });
});
