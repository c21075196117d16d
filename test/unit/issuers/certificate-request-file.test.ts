import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { before, suite, test } from "node:test";
import type { Issued } from "#src/identity/issuer.ts";
import type { OpenKey } from "#src/identity/keys/key-provider.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { CertificateRequestFile } from "#src/issuers/certificate-request-file.ts";
import { requestParts } from "#src/issuers/request-parts.ts";
import { type TestPki, testPki } from "../../fakes/certificates.ts";
import { failureOf, newKey } from "../../fakes/issuer-rig.ts";
import { PowerDisk } from "../../fakes/power-disk.ts";

const DIR = "/stick";
const NAMES = { commonName: "roof-7", sans: { dns: ["roof-7.test"] } };

suite("a certificate request by file", () => {
  let pki: TestPki;
  before(async () => {
    pki = await testPki("Far Root");
  });

  const issuerOn = (disk: PowerDisk, ownChainPem = "") =>
    new CertificateRequestFile({
      dir: DIR,
      disk,
      rootsPem: () => pki.caPem,
      ownChainPem: () => ownChainPem,
    });
  const nameOf = (key: OpenKey) => `${DIR}/microedge-${key.reference.spkiSha256.slice(0, 16)}.csr`;
  const put = async (disk: PowerDisk, name: string, bytes: string | Uint8Array): Promise<void> => {
    await using file = await disk.create(`${DIR}/${name}`);
    await file.write(Buffer.from(bytes), 0);
  };
  const signed = async (key: OpenKey, sans: { dns: string[] } = { dns: ["roof-7.test"] }) => {
    const privateKey = createPrivateKey(key.tlsKey as string);
    return (await pki.odd("roof-7", { key: privateKey, sans })).certificatePem;
  };

  test("the request is written whole, and waits", async () => {
    const disk = new PowerDisk([DIR]);
    const key = newKey();
    const error = await failureOf(issuerOn(disk).enroll({ key, names: NAMES }));
    assert.deepEqual(
      [error.code, error.reason, error.permanent],
      ["ERR_ISSUER_PENDING", "pending", false],
    );
    assert.ok(error.message.includes(nameOf(key)));
    assert.match(String(error.fields["fix"]), /put the certificate into \/stick/);
    const text = Buffer.from(await disk.read(nameOf(key), 10_000)).toString();
    assert.ok(
      requestParts(text).publicKeyDer.equals(key.publicKey.export({ type: "spki", format: "der" })),
    );
    assert.deepEqual(await disk.list(DIR), [nameOf(key).slice(DIR.length + 1)]);
  });

  test("asked again it stays as it is: somebody may have carried it away", async () => {
    const disk = new PowerDisk([DIR]);
    const key = newKey();
    await failureOf(issuerOn(disk).enroll({ key, names: NAMES }));
    const first = Buffer.from(await disk.read(nameOf(key), 10_000));
    const steps = disk.steps.length;
    await failureOf(issuerOn(disk).enroll({ key, names: NAMES }));
    assert.equal(disk.steps.length, steps);
    assert.deepEqual(Buffer.from(await disk.read(nameOf(key), 10_000)), first);
  });

  test("a request that is cut off is written anew", async () => {
    const disk = new PowerDisk([DIR]);
    const key = newKey();
    await put(disk, nameOf(key).slice(DIR.length + 1), "-----BEGIN CERTIFICATE REQ");
    await failureOf(issuerOn(disk).enroll({ key, names: NAMES }));
    requestParts(Buffer.from(await disk.read(nameOf(key), 10_000)).toString());
  });

  test("power cut at any step: the next attempt leaves a whole request", async () => {
    const key = newKey();
    const whole = new PowerDisk([DIR]);
    await failureOf(issuerOn(whole).enroll({ key, names: NAMES }));
    assert.ok(whole.steps.length >= 4);
    for (let step = 1; step <= whole.steps.length; step++) {
      const disk = new PowerDisk([DIR]);
      disk.fault = { step, what: "power" };
      await issuerOn(disk)
        .enroll({ key, names: NAMES })
        .catch(() => undefined);
      for (const [, world] of disk.worlds()) {
        // Whoever takes the stick along now has a whole request, or none.
        for (const name of (await world.list(DIR)).filter((each) =>
          /^microedge.*csr$/.test(each),
        )) {
          requestParts(Buffer.from(await world.read(`${DIR}/${name}`, 10_000)).toString());
        }
        await failureOf(issuerOn(world).enroll({ key, names: NAMES }));
        requestParts(Buffer.from(await world.read(nameOf(key), 10_000)).toString());
        assert.equal((await world.list(DIR)).length, 1);
      }
    }
  });

  test("an authority may repeat the common name among the DNS names, and add no other", async () => {
    const [key, other] = [newKey(), newKey()];
    const disk = new PowerDisk([DIR]);
    await put(disk, "a.crt", await signed(key, { dns: ["roof-7.test", "ROOF-7"] }));
    await put(disk, "b.crt", await signed(other, { dns: ["roof-7.test", "roof-8"] }));
    const { chainPem } = await issuerOn(disk).enroll({ key, names: NAMES });
    assert.deepEqual(parseCertificate(chainPem).names.dnsNames, ["roof-7.test", "roof-7"]);
    const error = await failureOf(issuerOn(disk).enroll({ key: other, names: NAMES }));
    assert.match(error.message, /names that were not asked for: "DNS roof-8"/);
    assert.match(String(error.fields["fix"]), /dns_names/);
  });

  const ANSWERS: readonly {
    why: string;
    name: string;
    form: (pem: string) => string | Uint8Array;
  }[] = [
    { why: "PEM", name: "answer.crt", form: (pem) => pem },
    {
      why: "PEM with the root, in a name of its own",
      name: "ROOF 7.PEM",
      form: (pem) => pki.caPem + pem,
    },
    { why: "DER", name: "answer.cer", form: (pem) => parseCertificate(pem).x509.raw },
  ];
  for (const { why, name, form } of ANSWERS) {
    test(`the answer is picked up: ${why}`, async () => {
      const disk = new PowerDisk([DIR]);
      const key = newKey();
      await failureOf(issuerOn(disk).enroll({ key, names: NAMES }));
      const pem = await signed(key);
      await put(disk, "other.crt", (await pki.issue("roof-8")).certificatePem);
      await put(
        disk,
        "broken.crt",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
      );
      await put(disk, name, form(pem));
      const issued: Issued = await issuerOn(disk).enroll({ key, names: NAMES });
      assert.equal(issued.chainPem.trim(), pem.trim());
      assert.equal(issued.answersUs, false);
      assert.equal(issued.trustBundlePem, pki.caPem);
      assert.ok(!(await disk.list(DIR)).some((each) => each.endsWith(".csr")));
      // An installation that fails comes again.
      assert.equal((await issuerOn(disk).enroll({ key, names: NAMES })).chainPem, issued.chainPem);
    });
  }

  test("a certificate for another key is never taken", async () => {
    const disk = new PowerDisk([DIR]);
    await put(disk, "answer.crt", (await pki.issue("roof-7")).certificatePem);
    const error = await failureOf(issuerOn(disk).enroll({ key: newKey(), names: NAMES }));
    assert.equal(error.reason, "pending");
  });

  test("a certificate with other names, or of another authority, is refused and said", async () => {
    const key = newKey();
    const disk = new PowerDisk([DIR]);
    await put(disk, "answer.crt", await signed(key, { dns: ["roof-9.test"] }));
    const names = await failureOf(issuerOn(disk).enroll({ key, names: NAMES }));
    assert.match(names.message, /lacks the names "DNS roof-7\.test"/);
    const stranger = await testPki("Stranger");
    const strange = new PowerDisk([DIR]);
    const privateKey = createPrivateKey(key.tlsKey as string);
    const { certificatePem } = await stranger.odd("roof-7", { key: privateKey, sans: NAMES.sans });
    await put(strange, "answer.crt", certificatePem);
    const other = await failureOf(issuerOn(strange).enroll({ key, names: NAMES }));
    assert.match(other.message, /does not chain to a pinned root/);
  });

  test("renewal: the certificate in hand is no answer", async () => {
    const disk = new PowerDisk([DIR]);
    const key = newKey();
    const chainPem = await signed(key);
    await put(disk, "old.crt", chainPem);
    const error = await failureOf(issuerOn(disk, chainPem).renew({ key, chainPem }));
    assert.equal(error.reason, "pending");
    const next = newKey();
    const waiting = await failureOf(issuerOn(disk, chainPem).rekey({ key, chainPem }, next));
    assert.ok(waiting.message.includes(nameOf(next)));
    await put(disk, "new.crt", await signed(next));
    const issued = await issuerOn(disk, chainPem).rekey({ key, chainPem }, next);
    assert.ok(parseCertificate(issued.chainPem).publicKey.equals(next.publicKey));
  });

  test("no stick, a full one, a read-only one", async () => {
    const key = newKey();
    const away = new PowerDisk([DIR]);
    away.fault = { step: 1, what: "ENOENT" };
    const gone = await failureOf(issuerOn(away).enroll({ key, names: NAMES }));
    assert.deepEqual([gone.code, gone.reason], ["ERR_ISSUER_UNREACHABLE", "unreachable"]);
    assert.match(String(gone.fields["fix"]), /plug the stick in/);
    const full = new PowerDisk([DIR]);
    full.fault = { step: 2, what: "ENOSPC" };
    assert.match((await failureOf(issuerOn(full).enroll({ key, names: NAMES }))).message, /ENOSPC/);
  });
});
