import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import {
  type CertificateRequest,
  createCertificateRequest,
} from "#src/identity/exchange/certificate-request.ts";
import type { OpenKey } from "#src/identity/keys/key-provider.ts";
import { type IdentityFiles, identityFiles } from "../../../fakes/identity-files.ts";
import { hasCommand, without } from "../../../fakes/needs.ts";
import { sealedKeys } from "../../../fakes/sealing-key.ts";

let files: IdentityFiles;
before(async () => {
  files = await identityFiles();
});
after(() => files[Symbol.dispose]());

const keys = sealedKeys();
const everything: CertificateRequest = {
  commonName: "Gerät 7",
  sans: {
    dns: ["gw.example", "*.gw.example"],
    ip: ["192.0.2.7", "2001:db8::7"],
    uri: ["spiffe://example.org/gateway/7"],
  },
};
/** As a TPM's: signs, and gives nothing away. */
const hardware = (key: OpenKey): OpenKey => ({
  reference: key.reference,
  publicKey: key.publicKey,
  get tlsKey(): string {
    throw new Error("private octets were asked for");
  },
  exportPkcs8(): Uint8Array {
    throw new Error("private octets were asked for");
  },
  sign: (bytes) => key.sign(bytes),
});

/** OpenSSL 3.0 ends with status 0 whatever it found; only its words tell. */
function assertSigned(name: string): void {
  const form = name.endsWith(".der") ? "DER" : "PEM";
  const said = files.complaints(
    "openssl",
    "req",
    "-verify",
    "-in",
    name,
    "-inform",
    form,
    "-noout",
  );
  assert.match(said, /verify OK/);
}

suite("certificate requests", { skip: without("openssl", hasCommand("openssl")) }, () => {
  for (const algorithm of ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa"] as const) {
    test(`${algorithm}: openssl verifies it, without the private key`, async () => {
      const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
      const reference =
        algorithm === "rsa"
          ? await keys.import(rsa.export({ type: "pkcs8", format: "pem" }).toString())
          : await keys.create(algorithm);
      const key = hardware(await keys.open(reference));
      files.write("it.csr", await createCertificateRequest(key, everything));
      const text = files.run(
        "openssl",
        "req",
        "-verify",
        "-in",
        "it.csr",
        "-noout",
        "-text",
        "-nameopt",
        "utf8",
      );
      assertSigned("it.csr");
      assert.match(text, /CN\s?=\s?Gerät 7/);
      const names = /Alternative Name:\s*\n\s*(.*)\n/.exec(text)?.[1];
      assert.equal(
        names,
        "DNS:gw.example, DNS:*.gw.example, URI:spiffe://example.org/gateway/7, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7",
      );
      const shown = files.run("openssl", "req", "-in", "it.csr", "-noout", "-pubkey");
      assert.equal(shown, key.publicKey.export({ type: "spki", format: "pem" }).toString());
    });
  }

  test("a changed octet is noticed by openssl, so its word counts", async () => {
    const key = await keys.open(await keys.create("ecdsa-p256"));
    const pem = await createCertificateRequest(key, everything);
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
    der.write("X", der.indexOf("gw.example"));
    files.write("bad.der", der);
    assert.throws(() => assertSigned("bad.der"));
  });

  test("without a common name the alternative names are critical, as RFC 5280 wants", async () => {
    const key = await keys.open(await keys.create("ecdsa-p256"));
    const only = { commonName: "", sans: { uri: ["spiffe://example.org/x"] } };
    files.write("only.csr", await createCertificateRequest(key, only));
    const text = files.run("openssl", "req", "-verify", "-in", "only.csr", "-noout", "-text");
    assertSigned("only.csr");
    assert.match(text, /Alternative Name: critical/);
  });

  test("without alternative names there is no extension", async () => {
    const key = await keys.open(await keys.create("ecdsa-p256"));
    files.write("cn.csr", await createCertificateRequest(key, { commonName: "gw", sans: {} }));
    const text = files.run("openssl", "req", "-verify", "-in", "cn.csr", "-noout", "-text");
    assertSigned("cn.csr");
    assert.doesNotMatch(text, /X509v3/);
  });

  const bad: readonly [why: string, request: Partial<CertificateRequest>, words: RegExp][] = [
    ["no name at all", { commonName: "", sans: {} }, /needs a name/],
    ["a long common name", { commonName: "x".repeat(65) }, /64 characters/],
    ["a common name with a line break", { commonName: "a\nb" }, /control characters/],
    ["a DNS name with a space", { sans: { dns: ["a b"] } }, /DNS name/],
    ["a DNS name that is empty", { sans: { dns: [""] } }, /DNS name/],
    ["a DNS name with a NUL", { sans: { dns: ["good.example\0.evil"] } }, /DNS name/],
    ["a wildcard in the middle", { sans: { dns: ["a*.example"] } }, /DNS name/],
    ["a DNS name beyond ASCII", { sans: { dns: ["gerät.example"] } }, /xn--/],
    ["what is no address", { sans: { ip: ["192.0.2.300"] } }, /not an IP address/],
    ["an address with a zone", { sans: { ip: ["fe80::1%eth0"] } }, /not an IP address/],
    ["a SPIFFE ID in capitals", { sans: { uri: ["SPIFFE://Example.org/x"] } }, /SPIFFE ID/],
    [
      "a SPIFFE ID with a dot segment",
      { sans: { uri: ["spiffe://example.org/../x"] } },
      /SPIFFE ID/,
    ],
    ["two SPIFFE IDs", { sans: { uri: ["spiffe://a/x", "spiffe://a/y"] } }, /one SPIFFE ID/],
    ["a URI without a scheme", { sans: { uri: ["//host/x"] } }, /URI/],
    ["too many names", { sans: { dns: Array.from({ length: 101 }, (_, n) => `h${n}`) } }, /100/],
  ];
  for (const [why, change, words] of bad) {
    test(`refuses ${why}`, async () => {
      const key = await keys.open(await keys.create("ecdsa-p256"));
      await assert.rejects(
        createCertificateRequest(key, { commonName: "gw", sans: {}, ...change }),
        (error) => {
          assert.ok(isAgentError(error, "ERR_CERT_INVALID"), String(error));
          assert.match(error.message, words);
          return true;
        },
      );
    });
  }
});
