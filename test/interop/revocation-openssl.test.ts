/**
 * CRLs made by `openssl ca -gencrl` and answers made by `openssl ocsp`, for each kind of key that an
 * authority may have; and a certificate that promises a staple.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { createSecureContext, createServer } from "node:tls";
import { certificateFacts } from "#src/identity/revocation/certificate-facts.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { materialOf } from "../fakes/certificates.ts";
import { startOpensslCa } from "../fakes/openssl-ca.ts";
import { revocationRig } from "../fakes/revocation-rig.ts";
import { startWebServer } from "../fakes/web-server.ts";

const KEYS: readonly { name: string; flags: readonly string[] }[] = [
  { name: "ECDSA P-256", flags: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] },
  { name: "RSA 2048", flags: ["-newkey", "rsa:2048"] },
  { name: "Ed25519", flags: ["-newkey", "ed25519"] },
];

for (const { name, flags } of KEYS) {
  suite(`an OpenSSL authority with ${name}`, () => {
    test("its CRL: PEM and DER, before and after a revocation; Node's own option agrees", async () => {
      await using ca = await startOpensslCa(flags);
      const own = await ca.issue("own");
      const bad = await ca.issue("bad");
      const file = `${ca.directory}/watched.crl`;
      await writeFile(file, await ca.crl());
      await using rig = await revocationRig(materialOf(own, ca.caPem), { crl: [file] });
      const { peers } = rig.revocation;
      const leaf = parseCertificate(bad.certificatePem);
      assert.equal(peers.check(leaf).kind, "good");
      await ca.revoke("bad", "keyCompromise");
      const pem = await ca.crl();
      await writeFile(file, pem);
      await rig.revocation.reload();
      const verdict = peers.check(leaf);
      assert.match(
        JSON.stringify(verdict),
        /revoked on .* \(CRL of CN=OpenSSL CA, keyCompromise\)/,
      );
      assert.equal(peers.check(parseCertificate(own.certificatePem)).kind, "good");
      const der = Buffer.from(String(pem).replace(/-----[^-]+-----/g, ""), "base64");
      await writeFile(file, der);
      await rig.revocation.reload();
      assert.equal(rig.revocation.view().sources[0]?.fault, undefined, "DER is taken too");
      assert.equal(await nativeVerdict(bad, ca.caPem, String(pem)), "CERT_REVOKED");
      assert.equal(await nativeVerdict(own, ca.caPem, String(pem)), "good");
    });

    test("its OCSP answers: good and revoked", async () => {
      await using ca = await startOpensslCa(flags);
      const [own, bad] = [await ca.issue("own"), await ca.issue("bad")];
      await ca.revoke("bad", "superseded");
      await using web = await startWebServer(async (_, response, body) => {
        response.end(await ca.answer(body, ["-ndays", "1"]));
      });
      await using rig = await revocationRig(materialOf(own, ca.caPem), {
        ocsp: "hard",
        ocspResponder: web.url,
        ocspTimeoutMs: 5_000,
      });
      const ask = async (pem: string) =>
        JSON.stringify(await rig.revocation.peers.ask(parseCertificate(pem)));
      assert.match(await ask(bad.certificatePem), /revoked on .* \(OCSP of http:.*, superseded\)/);
      assert.match(await ask(own.certificatePem), /"good"/);
      // openssl ocsp repeats our nonce, which counts where nobody knows the time
      await using lost = await revocationRig(
        materialOf(own, ca.caPem),
        { ocsp: "hard", ocspResponder: web.url, ocspTimeoutMs: 5_000 },
        () => ({ state: "unknown" }),
      );
      const verdict = await lost.revocation.peers.ask(parseCertificate(own.certificatePem));
      assert.deepEqual(verdict, { kind: "good" });
    });
  });
}

suite("a server whose certificate promises a staple", () => {
  test("is refused without one, and taken with one", async () => {
    await using ca = await startOpensslCa(KEYS[0]?.flags ?? []);
    const own = await ca.issue("own");
    const must = await ca.issue("must", ["tlsfeature = status_request"]);
    const leaf = parseCertificate(must.certificatePem);
    assert.equal(certificateFacts(leaf.x509.raw).mustStaple, true);
    let staple: Uint8Array | undefined;
    const server = createServer({ cert: must.certificatePem, key: must.keyPem }, (socket) => {
      socket.on("error", () => socket.destroy());
    });
    server.on("OCSPRequest", (_certificate, _issuer, answer) =>
      answer(null, (staple === undefined ? null : Buffer.from(staple)) as Buffer),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const target = { host: "127.0.0.1", port, alpn: [] };
    const never = new AbortController().signal;
    await using web = await startWebServer(async (_, response, body) => {
      response.end(await ca.answer(body, ["-ndays", "1"]));
    });
    await using rig = await revocationRig(materialOf(own, ca.caPem), { ocspResponder: web.url });
    await assert.rejects(rig.dialer.dial(target, never), /must-staple/);

    await using asking = await revocationRig(materialOf(must, ca.caPem), {
      ocsp: "soft",
      ocspResponder: web.url,
      ocspTimeoutMs: 5_000,
    });
    while (asking.revocation.view().stapleEndsAt === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    staple = asking.revocation.peers.staple.current();
    const { socket } = await rig.dialer.dial(target, never);
    socket.destroy();
    await ca.revoke("must", "keyCompromise");
    server.close();
  });

  test("openssl writes what we read: distribution point and responder", async () => {
    await using ca = await startOpensslCa(KEYS[0]?.flags ?? []);
    const leaf = await ca.issue("both", [
      "crlDistributionPoints = URI:http://ca.example/site.crl",
      "authorityInfoAccess = OCSP;URI:http://ocsp.example/,caIssuers;URI:http://ca.example/ca.crt",
    ]);
    const facts = certificateFacts(parseCertificate(leaf.certificatePem).x509.raw);
    assert.deepEqual(facts.crlUrls, ["http://ca.example/site.crl"]);
    assert.deepEqual(facts.ocspUrls, ["http://ocsp.example/"]);
    assert.equal(facts.mustStaple, false);
  });
});

/** What OpenSSL says by Node's `crl` option: the oracle. */
async function nativeVerdict(
  leaf: { readonly certificatePem: string; readonly keyPem: string },
  caPem: string,
  crlPem: string,
): Promise<string> {
  const server = createServer({ cert: leaf.certificatePem, key: leaf.keyPem });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { connect } = await import("node:tls");
  const socket = connect({
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    rejectUnauthorized: false,
    secureContext: createSecureContext({ ca: caPem, crl: [crlPem] }),
  });
  await once(socket, "secureConnect");
  const verdict = socket.authorized
    ? "good"
    : String(
        (socket.authorizationError as { code?: string } | null)?.code ?? socket.authorizationError,
      );
  socket.destroy();
  server.close();
  return verdict;
}
