import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { systemRandom } from "#src/host/random.ts";
import { createAuthority, issueCertificate, randomSerial } from "#src/identity/x509/issue.ts";

const nowMs = Date.UTC(2026, 5, 1);
const base = { days: 30, nowMs, random: systemRandom };

suite("issueCertificate", async () => {
  const root = await createAuthority({ ...base, cn: "Test Root" });
  const leaf = await issueCertificate({
    ...base,
    authority: root,
    cn: "greeter",
    sans: {
      dns: ["greeter.local", "*.edge.local"],
      ip: ["127.0.0.1", "::1", "2001:db8::a"],
      uri: ["spiffe://edge.example/greeter"],
    },
    usages: ["server", "client"],
  });
  const certificate = new X509Certificate(leaf.certificatePem);
  const authority = new X509Certificate(root.certificatePem);

  test("chains to its authority", () => {
    assert.ok(certificate.checkIssued(authority));
    assert.ok(certificate.verify(authority.publicKey));
    assert.equal(certificate.ca, false);
    assert.equal(authority.ca, true);
  });
  test("carries the names asked for", () => {
    assert.equal(
      certificate.subjectAltName,
      "DNS:greeter.local, DNS:*.edge.local, URI:spiffe://edge.example/greeter, " +
        "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:0:0:A",
    );
    assert.equal(certificate.subject, "CN=greeter");
    assert.equal(certificate.issuer, "CN=Test Root");
  });
  test("is valid from a little before now for the days asked for", () => {
    assert.equal(certificate.validFromDate.getTime(), nowMs - 300_000);
    assert.equal(certificate.validToDate.getTime(), nowMs + 30 * 86_400_000);
  });
  test("has both purposes and an ECDSA P-256 key", () => {
    assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  });

  test("openssl verifies it, strictly, through an intermediate", async () => {
    const middle = await createAuthority({ ...base, cn: "Middle", parent: root, pathLength: 0 });
    const below = await issueCertificate({
      ...base,
      authority: middle,
      cn: "below",
      sans: { dns: ["below.local"] },
      usages: ["client"],
      curve: "P-384",
    });
    const dir = mkdtempSync(join(tmpdir(), "issue-"));
    try {
      writeFileSync(join(dir, "root.pem"), root.certificatePem);
      writeFileSync(join(dir, "middle.pem"), middle.certificatePem);
      writeFileSync(join(dir, "leaf.pem"), below.certificatePem);
      const run = spawnSync(
        "openssl",
        [
          ...["verify", "-x509_strict", "-attime", String(nowMs / 1000), "-purpose", "sslclient"],
          ...["-CAfile", "root.pem", "-untrusted", "middle.pem", "leaf.pem"],
        ],
        { cwd: dir, encoding: "utf8" },
      );
      assert.equal(`${run.stdout}${run.stderr}`.trim(), "leaf.pem: OK");
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  const wrong = [
    {
      sans: { ip: ["10.0.0"] },
      cn: "x",
      message: /"10\.0\.0" is not an IP address/,
      why: "short IP",
    },
    { sans: { dns: ["bücher.example"] }, cn: "x", message: /printable ASCII/, why: "not IA5" },
    { sans: {}, cn: "x".repeat(65), message: /longer than 64/, why: "X.520 bound" },
  ];
  for (const { sans, cn, message, why } of wrong) {
    test(`refuses: ${why}`, () =>
      assert.rejects(issueCertificate({ ...base, authority: root, cn, sans, usages: [] }), {
        code: "ERR_CERT_INVALID",
        message,
      }));
  }
  test("a leaf can't issue", () =>
    assert.rejects(
      issueCertificate({ ...base, authority: leaf, cn: "x", sans: {}, usages: ["client"] }),
      { code: "ERR_CERT_INVALID", message: /not a CA certificate/ },
    ));
});

test("randomSerial is positive and never starts with a zero octet", () => {
  for (const fill of [0x00, 0x80, 0xff]) {
    const [first = 0] = randomSerial({
      draw: () => 0,
      bytes: (length) => new Uint8Array(length).fill(fill),
    });
    assert.ok(first >= 0x40 && first <= 0x7f, `${fill} gave ${first}`);
  }
});
