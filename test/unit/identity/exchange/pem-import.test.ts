import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { before, suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { systemRandom } from "#src/host/random.ts";
import {
  certificatesIn,
  type ImportOptions,
  importIdentity,
} from "#src/identity/exchange/identity-import.ts";
import {
  type Authority,
  createAuthority,
  type Issued,
  issueCertificate,
} from "#src/identity/x509/issue.ts";

const nowMs = Date.UTC(2026, 5, 1);
const validity = { days: 30, nowMs, random: systemRandom };
let root: Authority;
let upper: Authority;
let lower: Authority;
let leaf: Issued;
let stranger: Issued;

before(async () => {
  root = await createAuthority({ cn: "Root", ...validity });
  upper = await createAuthority({ cn: "Upper", parent: root, ...validity });
  lower = await createAuthority({ cn: "Lower", parent: upper, ...validity });
  const request = { sans: { dns: ["gw"] }, usages: ["server" as const], ...validity };
  leaf = await issueCertificate({ cn: "gw", authority: lower, ...request });
  stranger = await issueCertificate({ cn: "stranger", authority: root, ...request });
});

/** Imports texts as files named `a`, `b`, ... */
const take = (texts: readonly (string | Uint8Array)[], options: ImportOptions = {}) =>
  importIdentity(
    texts.map((text, index) => ({
      name: String.fromCharCode(97 + index),
      bytes: typeof text === "string" ? Buffer.from(text) : text,
    })),
    options,
  );

const chain = (): string => leaf.certificatePem + lower.certificatePem + upper.certificatePem;

suite("PEM import", () => {
  const good: readonly [why: string, files: () => (string | Uint8Array)[], roots: number][] = [
    ["one file, in order", () => [leaf.keyPem + chain()], 0],
    [
      "one file, root first",
      () => [
        root.certificatePem +
          upper.certificatePem +
          lower.certificatePem +
          leaf.certificatePem +
          leaf.keyPem,
      ],
      1,
    ],
    [
      "shuffled over files",
      () => [
        upper.certificatePem,
        leaf.keyPem,
        root.certificatePem + leaf.certificatePem,
        lower.certificatePem,
      ],
      1,
    ],
    ["CRLF", () => [(leaf.keyPem + chain()).replaceAll("\n", "\r\n")], 0],
    ["a byte order mark", () => [`\ufeff${leaf.keyPem}${chain()}`], 0],
    [
      "text before, between and after",
      () => [`subject=CN = gw\n${leaf.keyPem}Größe: 3\n${chain()}bye`],
      0,
    ],
    [
      "text in Latin-1 around",
      () => [
        Buffer.concat([
          Buffer.from("Gr\u00f6\u00dfe\n", "latin1"),
          Buffer.from(leaf.keyPem + chain()),
        ]),
      ],
      0,
    ],
    [
      "lines that are indented, as from YAML",
      () => [(leaf.keyPem + chain()).replace(/^/gm, "    ")],
      0,
    ],
    ["no line end at the end", () => [(leaf.keyPem + chain()).trimEnd()], 0],
    [
      "the label of old programs",
      () => [leaf.keyPem + chain().replaceAll(" CERTIFICATE", " X509 CERTIFICATE")],
      0,
    ],
    [
      "certificates in DER",
      () => [
        leaf.keyPem,
        derOf(lower.certificatePem),
        derOf(leaf.certificatePem),
        derOf(upper.certificatePem),
      ],
      0,
    ],
    ["every certificate twice", () => [leaf.keyPem + chain() + chain()], 0],
  ];
  for (const [why, files, roots] of good) {
    test(why, async () => {
      const found = await take(files());
      assert.equal(found.chainPem, chain());
      assert.equal(found.rootsPem, roots === 1 ? root.certificatePem : "");
      assert.ok(createPrivateKey(found.privateKeyPem ?? "").equals(createPrivateKey(leaf.keyPem)));
    });
  }

  test("says what is superfluous", async () => {
    const request =
      "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    const all = [
      leaf.keyPem + chain() + root.certificatePem,
      stranger.certificatePem + chain(),
      request,
    ];
    const { remarks } = await take(all);
    assert.equal(remarks.length, 4, remarks.join("\n"));
    const said = remarks.join("\n");
    assert.match(said, /c: blocks "CERTIFICATE REQUEST" are not needed/);
    assert.match(said, /3 certificates stand in the import more than once/);
    assert.match(said, /"CN=Root" is a root; peers have it/);
    assert.match(said, /"CN=stranger" is not part/);
  });

  test("of two certificates of the key the newer is the leaf", async () => {
    const key = createPrivateKey(leaf.keyPem);
    const { buildCertificate, certificatePem, subjectNameDer } = await import(
      "#src/identity/x509/certificate-builder.ts"
    );
    const renewed = certificatePem(
      await buildCertificate({
        subjectCn: "gw renewed",
        issuerNameDer: await subjectNameDer(derOf(lower.certificatePem)),
        serial: Uint8Array.of(7),
        notBefore: nowMs + 86_400_000,
        notAfter: nowMs + 40 * 86_400_000,
        publicKey: createPublicKey(key),
        signingKey: createPrivateKey(lower.keyPem),
        basicConstraints: { ca: false },
      }),
    );
    const found = await take([leaf.keyPem + chain() + renewed]);
    assert.equal(found.leaf.summary.subject, "CN=gw renewed");
    assert.match(found.remarks.join(), /older certificate of the same key/);
  });

  test("a self-signed leaf is its own chain", async () => {
    const found = await take([root.keyPem + root.certificatePem]);
    assert.equal(found.chainPem, root.certificatePem);
    assert.equal(found.rootsPem, "");
  });

  test("with the key in the store, files bring certificates only", async () => {
    const publicKey = createPublicKey(leaf.keyPem);
    const found = await take([chain()], { publicKey });
    assert.equal(found.privateKeyPem, undefined);
    assert.equal(found.chainPem, chain());
    const both = await take([chain() + stranger.keyPem], { publicKey });
    assert.equal(both.privateKeyPem, undefined);
    assert.match(both.remarks.join(), /was not imported/);
  });

  const bad: readonly [
    why: string,
    files: () => (string | Uint8Array)[],
    code: string,
    words: RegExp,
  ][] = [
    ["no files", () => [], "ERR_IMPORT_INVALID", /no private key/],
    ["no key", () => [chain()], "ERR_IMPORT_INVALID", /microedge key create/],
    ["no certificate", () => [leaf.keyPem], "ERR_IMPORT_INVALID", /no certificate/],
    [
      "another key's certificates",
      () => [stranger.keyPem + chain()],
      "ERR_IMPORT_INVALID",
      /none? .*CN=gw|no certificate belongs.*CN=gw/,
    ],
    [
      "two keys in one file",
      () => [leaf.keyPem + chain() + stranger.keyPem],
      "ERR_KEY_INVALID",
      /several private keys/,
    ],
    [
      "two keys in two files",
      () => [leaf.keyPem + chain(), stranger.keyPem],
      "ERR_KEY_INVALID",
      /several private keys/,
    ],
    ["an empty file", () => [""], "ERR_IMPORT_INVALID", /a is empty/],
    ["no PEM at all", () => ["hello\n"], "ERR_IMPORT_INVALID", /a holds nothing in PEM/],
    [
      "a cut-off block",
      () => [leaf.keyPem + chain().slice(0, -40)],
      "ERR_IMPORT_INVALID",
      /a is cut off/,
    ],
    [
      "UTF-16",
      () => [Buffer.from(`\ufeff${leaf.keyPem}`, "utf16le")],
      "ERR_IMPORT_INVALID",
      /UTF-16.*UTF-8/,
    ],
    [
      "octets with NULs",
      () => [Buffer.from("PK\u0003\u0004\0\0\0")],
      "ERR_IMPORT_INVALID",
      /neither PEM nor DER/,
    ],
    [
      "a damaged certificate",
      () => [leaf.keyPem + chain().replace(/MII/, "AAA")],
      "ERR_CERT_INVALID",
      /not a certificate/,
    ],
    [
      "a bare key in DER",
      () => [createPrivateKey(leaf.keyPem).export({ type: "pkcs8", format: "der" })],
      "ERR_IMPORT_INVALID",
      /openssl pkey/,
    ],
    [
      "a short bare key in DER",
      () => [generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "der" })],
      "ERR_IMPORT_INVALID",
      /openssl pkey/,
    ],
    ["too large a file", () => [Buffer.alloc(300_000, "x")], "ERR_IMPORT_INVALID", /300000 bytes/],
    [
      "too many files",
      () => Array.from({ length: 17 }, () => leaf.keyPem),
      "ERR_IMPORT_INVALID",
      /17 files/,
    ],
    [
      "too many blocks",
      () => ["-----BEGIN X-----\n-----END X-----\n".repeat(201)],
      "ERR_IMPORT_INVALID",
      /201 PEM blocks/,
    ],
    [
      "too many certificates",
      () => [leaf.keyPem, lower.certificatePem.repeat(101)],
      "ERR_IMPORT_INVALID",
      /101 certificates/,
    ],
  ];
  for (const [why, files, code, words] of bad) {
    test(`refuses ${why}`, () =>
      assert.rejects(take(files()), (error) => {
        assert.ok(isAgentError(error), String(error));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, words);
        return true;
      }));
  }
});

suite("certificates alone", () => {
  const file = (content: string | Uint8Array) => ({ name: "f", bytes: Buffer.from(content) });
  test("of several files, PEM and DER, keys passed over", () =>
    assert.equal(
      certificatesIn([file(leaf.keyPem + leaf.certificatePem), file(derOf(lower.certificatePem))]),
      leaf.certificatePem + lower.certificatePem,
    ));
  for (const [why, content, words] of [
    ["none", () => leaf.keyPem, /0 certificates/],
    ["too many", () => root.certificatePem.repeat(101), /101 certificates/],
    ["a cut-off file", () => root.certificatePem.slice(0, 99), /cut off/],
  ] as const) {
    test(`refuses ${why}`, () => assert.throws(() => certificatesIn([file(content())]), words));
  }
});

function derOf(pem: string): Uint8Array {
  return Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
}
