import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { suite, test } from "node:test";
import { ownNode } from "#src/agent/own-node.ts";
import { readCertificate } from "#src/identity/x509/certificate.ts";
import { testPki } from "../../fakes/certificates.ts";

const pki = await testPki();

suite("how the agent calls itself", () => {
  const rows = [
    {
      bound: "127.0.0.1",
      dns: ["localhost"],
      ip: ["127.0.0.1"],
      host: "127.0.0.1",
      name: undefined,
    },
    { bound: "0.0.0.0", dns: [], ip: ["127.0.0.1"], host: "127.0.0.1", name: undefined },
    { bound: "::", dns: [], ip: ["::1"], host: "[::1]", name: undefined },
    { bound: "127.0.0.1", dns: ["gw.example"], ip: [], host: "127.0.0.1", name: "gw.example" },
    {
      bound: "10.0.0.5",
      dns: ["*.example", "gw.example"],
      ip: [],
      host: "10.0.0.5",
      name: "gw.example",
    },
    { bound: "127.0.0.1", dns: [], ip: ["10.0.0.5"], host: "127.0.0.1", name: "10.0.0.5" },
  ];
  for (const { bound, dns, ip, host, name } of rows) {
    test(`bound to ${bound}, certificate for ${[...dns, ...ip].join(" and ")}`, async () => {
      const issued = await pki.issue("gateway", { sans: { dns, ip } });
      const leaf = readCertificate(new X509Certificate(issued.certificatePem));
      assert.deepEqual(ownNode({ host: bound, port: 8443 }, leaf), {
        address: `${host}:8443`,
        serverName: name,
      });
    });
  }
  test("without TLS there is no name to expect", () =>
    assert.deepEqual(ownNode({ host: "127.0.0.1", port: 1 }, undefined), {
      address: "127.0.0.1:1",
      serverName: undefined,
    }));
});
