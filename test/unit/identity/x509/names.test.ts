/**
 * Names in certificates, made to deceive: what stands in the DER is what counts.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { isAgentError } from "#src/base/errors.ts";
import { namesHost } from "#src/identity/name-match.ts";
import { parseAlternativeNames } from "#src/identity/x509/alternative-names.ts";
import { parseCertificate, readCertificate } from "#src/identity/x509/certificate.ts";
import { formatIpAddress, parseIpAddress } from "#src/identity/x509/ip-address.ts";
import { spiffeIdFault } from "#src/identity/x509/spiffe-id.ts";
import { testPki } from "../../../fakes/certificates.ts";

/** DER of a GeneralNames with these entries; every length here is below 128. */
function generalNames(
  ...entries: readonly { tag: number; value: string | number[] }[]
): Uint8Array {
  const body = entries.flatMap(({ tag, value }) => {
    const octets = typeof value === "string" ? [...Buffer.from(value, "latin1")] : value;
    return [tag, octets.length, ...octets];
  });
  return Uint8Array.from([0x30, body.length, ...body]);
}
const dns = (value: string) => ({ tag: 0x82, value });
const uri = (value: string) => ({ tag: 0x86, value });
const ip = (...value: number[]) => ({ tag: 0x87, value });

suite("parseAlternativeNames", () => {
  test("names, addresses and URIs; mail is passed over", () => {
    const names = parseAlternativeNames(
      generalNames(dns("A.Example"), uri("spiffe://a/b"), ip(10, 0, 0, 1), {
        tag: 0x81,
        value: "x@y",
      }),
    );
    assert.deepEqual(names, {
      dnsNames: ["a.example"],
      ipAddresses: ["10.0.0.1"],
      uris: ["spiffe://a/b"],
      faults: [],
    });
  });
  const deceivers = [
    { entry: dns("good.example, DNS:evil.example"), why: "CVE-2021-44532: a list inside one name" },
    { entry: dns("good.example\0.evil.example"), why: "NUL ends the name for C programs" },
    { entry: dns('"good.example"'), why: "quotes" },
    { entry: dns(""), why: "empty" },
    { entry: dns("a..b"), why: "empty label" },
    { entry: dns("b\u00fccher.example"), why: "not ASCII" },
    { entry: uri("spiffe://a/b, DNS:evil.example"), why: "space and comma in a URI" },
    { entry: uri("spiffe://a/b\0"), why: "NUL in a URI" },
    { entry: ip(10, 0, 0, 0, 255, 0, 0, 0), why: "a range (name constraints) is no address" },
    { entry: ip(), why: "no octets" },
  ];
  for (const { entry, why } of deceivers) {
    test(`a fault, and no name: ${why}`, () => {
      const { faults, dnsNames, ipAddresses, uris } = parseAlternativeNames(generalNames(entry));
      assert.equal(faults.length, 1);
      assert.deepEqual([dnsNames, ipAddresses, uris], [[], [], []]);
    });
  }
  for (const { bytes, why } of [
    { bytes: [0x30, 0x05, 0x82, 0x01, 0x61], why: "a sequence longer than its bytes" },
    { bytes: [0x30, 0x03, 0x82, 0x7f, 0x61], why: "a name longer than its sequence" },
    { bytes: [0x30, 0x80, 0x82, 0x01, 0x61, 0, 0], why: "indefinite length is BER, not DER" },
    { bytes: [0x82, 0x01, 0x61], why: "not a sequence" },
    { bytes: [0x30, 0x00, 0x30, 0x00], why: "two of them" },
    { bytes: [0x30], why: "no length" },
  ]) {
    test(`refused: ${why}`, () =>
      assert.throws(() => parseAlternativeNames(Uint8Array.from(bytes)), {
        code: "ERR_CERT_INVALID",
      }));
  }
});

test("whatever the bytes, there is an answer or a typed error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        const { dnsNames } = parseAlternativeNames(Uint8Array.from([0x30, bytes.length, ...bytes]));
        for (const name of dnsNames) assert.match(name, /^[a-z0-9_.*-]+$/);
      } catch (error) {
        assert.ok(isAgentError(error, "ERR_CERT_INVALID"), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

suite("namesHost", () => {
  const rows = [
    { names: ["a.example"], host: "a.example", is: true, why: "same" },
    { names: ["a.example"], host: "A.Example.", is: true, why: "case and final dot don't count" },
    { names: ["a.example"], host: "b.a.example", is: false, why: "no suffix matching" },
    { names: ["*.a.example"], host: "b.a.example", is: true, why: "wildcard" },
    {
      names: ["*.a.example"],
      host: "a.example",
      is: false,
      why: "a wildcard is one label, not none",
    },
    { names: ["*.a.example"], host: "c.b.a.example", is: false, why: "not two either" },
    { names: ["*.example"], host: "a.example", is: false, why: "too wide" },
    { names: ["*"], host: "localhost", is: false, why: "everything" },
    { names: ["b*.a.example"], host: "bc.a.example", is: false, why: "embedded wildcard" },
    { names: ["x.*.example"], host: "x.a.example", is: false, why: "wildcard not leftmost" },
    { names: ["*.0.0.1"], host: "127.0.0.1", is: false, why: "an address is no name" },
    { names: ["127.0.0.1"], host: "127.0.0.1", is: false, why: "an address as DNS name" },
    { names: [], host: "a.example", is: false, why: "no names" },
  ];
  for (const { names, host, is, why } of rows) {
    test(`${names} ${is ? "names" : "does not name"} ${host}: ${why}`, () =>
      assert.equal(
        namesHost({ dnsNames: names, ipAddresses: [], uris: [], faults: [] }, host),
        is,
      ));
  }
  const withIp = { dnsNames: [], ipAddresses: ["10.0.0.1", "2001:db8::a"], uris: [], faults: [] };
  for (const [host, is] of [
    ["10.0.0.1", true],
    ["10.0.0.2", false],
    ["2001:DB8:0:0::A", true],
    ["::ffff:10.0.0.1", false],
  ] as const) {
    test(`address ${host}: ${is}`, () => assert.equal(namesHost(withIp, host), is));
  }
});

suite("IP addresses", () => {
  for (const [text, shortest] of [
    ["10.0.0.255", "10.0.0.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8:0:0:0:0:0:A", "2001:db8::a"],
    ["fe80::1:0:0:2", "fe80::1:0:0:2"],
    ["::ffff:10.1.2.3", "::ffff:a01:203"],
  ] as const) {
    test(`${text} comes back as ${shortest}`, () =>
      assert.equal(formatIpAddress(parseIpAddress(text) ?? new Uint8Array()), shortest));
  }
  for (const text of ["10.0.0", "10.0.0.256", "fe80::1%eth0", "x", ""]) {
    test(`"${text}" is none`, () => assert.equal(parseIpAddress(text), undefined));
  }
});

suite("SPIFFE IDs", () => {
  for (const good of ["spiffe://edge.example", "spiffe://edge.example/ns/a_b/sa/c-d.e"]) {
    test(`${good} is one`, () => assert.equal(spiffeIdFault(good), undefined));
  }
  for (const bad of [
    "https://edge.example/x",
    "SPIFFE://edge.example/x",
    "spiffe://",
    "spiffe:///x",
    "spiffe://Edge.example/x",
    "spiffe://edge.example:8443/x",
    "spiffe://user@edge.example/x",
    "spiffe://edge.example/",
    "spiffe://edge.example/a//b",
    "spiffe://edge.example/a/../b",
    "spiffe://edge.example/a?b",
    "spiffe://edge.example/%41",
    `spiffe://${"a".repeat(256)}/x`,
    `spiffe://a/${"b".repeat(2048)}`,
  ]) {
    test(`${bad.slice(0, 60)} is none`, () => assert.notEqual(spiffeIdFault(bad), undefined));
  }
});

suite("readCertificate", async () => {
  const pki = await testPki();
  test("a subject that tries to look like two attributes is one, escaped", async () => {
    const cn = 'x,O=Admins\nCN=root+"y"';
    const { certificatePem } = await pki.odd(cn, {});
    const certificate = parseCertificate(certificatePem);
    assert.deepEqual(certificate.commonNames, [cn]);
    assert.equal(certificate.summary.subject, 'CN=x\\,O\\=Admins\\0aCN\\=root\\+\\"y\\"');
  });
  test("reads itself, and what OpenSSL says about it, alike", async () => {
    const { certificatePem } = await pki.issue("greeter");
    const certificate = parseCertificate(certificatePem);
    const { x509 } = certificate;
    assert.deepEqual(readCertificate(x509).summary, certificate.summary);
    assert.deepEqual(certificate.extendedKeyUsages, x509.keyUsage);
    assert.equal(certificate.signatureOid, "1.2.840.10045.4.3.2");
    assert.equal(certificate.version, 3);
    assert.equal(certificate.ca, x509.ca);
    assert.deepEqual([...(certificate.keyUsage ?? [])], [0x80]);
    assert.match(certificate.summary.fingerprint, /^[0-9a-f]{64}$/);
    assert.equal(certificate.selfSigned, false);
    assert.equal(parseCertificate(pki.caPem).selfSigned, true);
  });
  test("what is no certificate is refused as such", () =>
    assert.throws(() => parseCertificate("hello"), { code: "ERR_CERT_INVALID" }));
});
