import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { type ImportedIdentity, importIdentity } from "#src/identity/exchange/identity-import.ts";
import { readElements } from "#src/identity/x509/der.ts";
import { type IdentityFiles, identityFiles } from "../../../fakes/identity-files.ts";
import { FULL, hasCommand, without } from "../../../fakes/needs.ts";

let files: IdentityFiles;
const openssl = (...parameters: string[]): string =>
  files.run("openssl", "pkcs12", "-export", ...parameters);
const keytool = (...parameters: string[]): string => files.run("keytool", ...parameters);
const PASSWORD = "geheim-1";

async function take(name: string, passphrase?: string): Promise<ImportedIdentity> {
  const file = { name, bytes: files.read(name) };
  return importIdentity([file], passphrase === undefined ? {} : { passphrase });
}

function assertWhole(identity: ImportedIdentity, certificates: 1 | 2, roots: 0 | 1): void {
  assert.equal(identity.leaf.summary.subject, "CN=gateway-7");
  const expected = files.leafPem + (certificates === 2 ? files.intermediatePem : "");
  assert.equal(identity.chainPem, expected);
  assert.equal(identity.rootsPem, roots === 1 ? files.rootPem : "");
  const key = createPrivateKey(identity.privateKeyPem ?? "");
  assert.ok(key.equals(createPrivateKey(files.keyPem)));
}

async function refusal(name: string, passphrase?: string): Promise<[string, string]> {
  try {
    await take(name, passphrase);
    return ["taken", ""];
  } catch (thrown) {
    assert.ok(isAgentError(thrown), String(thrown));
    return [thrown.code, thrown.message];
  }
}

before(async () => {
  files = await identityFiles();
});
after(() => files[Symbol.dispose]());

const pair = ["-inkey", "leaf.key", "-in", "leaf.pem"];
const whole = [...pair, "-certfile", "cas.pem"];

suite("PKCS#12 that OpenSSL made", { skip: without("openssl", hasCommand("openssl")) }, () => {
  const rows: readonly [
    why: string,
    parameters: string[],
    password: string,
    certificates: 1 | 2,
    roots: 0 | 1,
  ][] = [
    ["as OpenSSL 3 does: PBES2, AES-256, SHA-256", whole, PASSWORD, 2, 1],
    ["without CA certificates", pair, PASSWORD, 1, 0],
    ["-legacy: RC2-40 and triple DES, SHA-1", ["-legacy", ...whole], PASSWORD, 2, 1],
    ["triple DES for both", ["-legacy", "-certpbe", "PBE-SHA1-3DES", ...whole], PASSWORD, 2, 1],
    [
      "two-key triple DES",
      ["-legacy", "-certpbe", "PBE-SHA1-2DES", "-keypbe", "PBE-SHA1-2DES", ...whole],
      PASSWORD,
      2,
      1,
    ],
    [
      "RC2 with 128 bits",
      ["-legacy", "-certpbe", "PBE-SHA1-RC2-128", "-keypbe", "PBE-SHA1-RC2-128", ...whole],
      PASSWORD,
      2,
      1,
    ],
    ["AES-128", ["-certpbe", "AES-128-CBC", "-keypbe", "AES-128-CBC", ...whole], PASSWORD, 2, 1],
    ["certificates in clear", ["-certpbe", "NONE", ...whole], PASSWORD, 2, 1],
    ["everything in clear", ["-certpbe", "NONE", "-keypbe", "NONE", ...whole], PASSWORD, 2, 1],
    ["a MAC with SHA-512", ["-macalg", "sha512", ...whole], PASSWORD, 2, 1],
    ["a MAC with SHA-1", ["-macalg", "sha1", ...whole], PASSWORD, 2, 1],
    ["no MAC", ["-nomac", ...whole], PASSWORD, 2, 1],
    ["100,000 iterations", ["-iter", "100000", ...whole], PASSWORD, 2, 1],
    ["an empty password", whole, "", 2, 1],
    ["an empty password, -legacy", ["-legacy", ...whole], "", 2, 1],
    ["a password beyond ASCII", whole, "grüße €𝄞", 2, 1],
    ["a password beyond ASCII, -legacy", ["-legacy", ...whole], "grüße €𝄞", 2, 1],
    ["a long password", whole, "ü".repeat(300), 2, 1],
    ["a friendly name beyond ASCII", ["-name", "Gerät", ...whole], PASSWORD, 2, 1],
  ];
  for (const [why, parameters, password, certificates, roots] of rows) {
    test(why, async () => {
      openssl(...parameters, "-passout", `pass:${password}`, "-out", "it.p12");
      assertWhole(await take("it.p12", password), certificates, roots);
    });
  }

  test("no password given is as an empty one", async () => {
    openssl(...pair, "-passout", "pass:", "-out", "empty.p12");
    assertWhole(await take("empty.p12"), 1, 0);
  });

  test("what has no MAC says so", async () => {
    openssl("-nomac", ...pair, "-passout", `pass:${PASSWORD}`, "-out", "nomac.p12");
    assert.match((await take("nomac.p12", PASSWORD)).remarks.join(), /no MAC/);
  });

  for (const [why, parameters] of [
    ["today's", []],
    ["-legacy", ["-legacy"]],
    ["without MAC", ["-nomac"]],
    ["in clear", ["-certpbe", "NONE", "-keypbe", "NONE"]],
  ] as const) {
    test(`wrong password: ${why}`, async () => {
      openssl(...parameters, ...whole, "-passout", `pass:${PASSWORD}`, "-out", "wrong.p12");
      const [code, message] = await refusal("wrong.p12", "another");
      assert.equal(code, "ERR_KEY_PASSPHRASE", message);
      assert.match(message, /wrong/);
      assert.match((await refusal("wrong.p12"))[1], /none was given/);
    });
  }

  test("damage under the right password is told from a wrong one", async () => {
    openssl(...whole, "-passout", `pass:${PASSWORD}`, "-out", "flip.p12");
    const good = files.read("flip.p12");
    const middle = good.length >> 1;
    const flipped = Uint8Array.from(good);
    flipped[middle] = (flipped[middle] ?? 0) ^ 1;
    files.write("flip.p12", flipped);
    const [code, message] = await refusal("flip.p12", PASSWORD);
    assert.equal(code, "ERR_IMPORT_INVALID", message);
    assert.match(message, /damaged/);
  });

  test("no single changed octet is taken for a wrong password", async () => {
    openssl("-iter", "1", ...pair, "-passout", `pass:${PASSWORD}`, "-out", "each.p12");
    const good = files.read("each.p12");
    const codes = new Map<string, number>();
    for (let at = 0; at < good.length; at += FULL ? 1 : 5) {
      const changed = Uint8Array.from(good);
      changed[at] = (changed[at] ?? 0) ^ 0x04;
      files.write("each.p12", changed);
      const [code, message] = await refusal("each.p12", PASSWORD);
      assert.notEqual(code, "ERR_KEY_PASSPHRASE", `octet ${at}: ${message}`);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    // Only what no MAC covers, as the algorithm's NULL, may change and be taken.
    assert.ok((codes.get("taken") ?? 0) < 5, JSON.stringify([...codes]));
  });

  test("cut off anywhere is refused with a code", async () => {
    openssl(...whole, "-passout", `pass:${PASSWORD}`, "-out", "cut.p12");
    const good = files.read("cut.p12");
    for (let length = 1; length < good.length; length += 97) {
      files.write("cut.p12", good.subarray(0, length));
      assert.notEqual((await refusal("cut.p12", PASSWORD))[0], "taken", `${length} bytes`);
    }
  });

  test("trust store: no key", async () => {
    openssl("-nokeys", "-in", "cas.pem", "-passout", `pass:${PASSWORD}`, "-out", "nokey.p12");
    const [code, message] = await refusal("nokey.p12", PASSWORD);
    assert.equal(code, "ERR_KEY_INVALID");
    assert.match(message, /no private key/);
  });

  test("BER, lengths left open and strings in pieces, as Mozilla writes", async () => {
    openssl(...whole, "-passout", `pass:${PASSWORD}`, "-out", "der.p12");
    const ber = openLengths(files.read("der.p12"));
    files.write("ber.p12", ber);
    files.run("openssl", "pkcs12", "-in", "ber.p12", "-passin", `pass:${PASSWORD}`, "-noout");
    assertWhole(await take("ber.p12", PASSWORD), 2, 1);
  });
});

suite("PKCS#12 that Java's keytool made", {
  skip: without("keytool", hasCommand("keytool")),
}, () => {
  const convert = (to: string, ...more: string[]): void => {
    openssl(...whole, "-name", "gw", "-passout", `pass:${PASSWORD}`, "-out", "source.p12");
    keytool(
      ...more,
      "-importkeystore",
      "-noprompt",
      "-srckeystore",
      "source.p12",
      "-srcstorepass",
      PASSWORD,
      "-destkeystore",
      to,
      "-deststoretype",
      "PKCS12",
      "-deststorepass",
      PASSWORD,
    );
  };
  test("as today's does", async () => {
    convert("java.p12");
    assertWhole(await take("java.p12", PASSWORD), 2, 1);
    assert.equal((await refusal("java.p12", "another-1"))[0], "ERR_KEY_PASSPHRASE");
  });
  test("as old ones did: RC2-40 and triple DES", async () => {
    convert("java-old.p12", "-J-Dkeystore.pkcs12.legacy");
    assertWhole(await take("java-old.p12", PASSWORD), 2, 1);
    assert.equal((await refusal("java-old.p12", "another-1"))[0], "ERR_KEY_PASSPHRASE");
  });
  test("a key pair of keytool's own, certified by itself", async () => {
    keytool(
      "-genkeypair",
      "-alias",
      "own",
      "-keyalg",
      "EC",
      "-groupname",
      "secp256r1",
      "-dname",
      "CN=own",
      "-keystore",
      "own.p12",
      "-storepass",
      PASSWORD,
    );
    assert.equal((await take("own.p12", PASSWORD)).leaf.summary.subject, "CN=own");
  });
  test("two keys are refused", async () => {
    for (const alias of ["a", "b"]) {
      keytool(
        "-genkeypair",
        "-alias",
        alias,
        "-keyalg",
        "EC",
        "-groupname",
        "secp256r1",
        "-dname",
        `CN=${alias}`,
        "-keystore",
        "two.p12",
        "-storepass",
        PASSWORD,
      );
    }
    const [code, message] = await refusal("two.p12", PASSWORD);
    assert.equal(code, "ERR_KEY_INVALID");
    assert.match(message, /2 private keys/);
  });
  test("a key store of the old kind (JKS) gets the command that converts it", async () => {
    keytool(
      "-genkeypair",
      "-alias",
      "own",
      "-keyalg",
      "EC",
      "-groupname",
      "secp256r1",
      "-dname",
      "CN=own",
      "-storetype",
      "JKS",
      "-keystore",
      "old.jks",
      "-storepass",
      PASSWORD,
      "-keypass",
      PASSWORD,
    );
    const [code, message] = await refusal("old.jks", PASSWORD);
    assert.equal(code, "ERR_IMPORT_UNSUPPORTED");
    assert.match(message, /keytool -importkeystore/);
  });
  test("a weak key in it is refused as weak", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
    files.write("weak.key", privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    files.run(
      "openssl",
      "req",
      "-x509",
      "-key",
      "weak.key",
      "-subj",
      "/CN=weak",
      "-out",
      "weak.pem",
    );
    openssl(
      "-inkey",
      "weak.key",
      "-in",
      "weak.pem",
      "-passout",
      `pass:${PASSWORD}`,
      "-out",
      "weak.p12",
    );
    assert.equal((await refusal("weak.p12", PASSWORD))[0], "ERR_KEY_WEAK");
  });
});

/** The same in BER: every constructed part with an open length, every octet string in two pieces. */
function openLengths(der: Uint8Array): Uint8Array {
  const parts = readElements(der).map(({ tag, content }) => {
    if ((tag & 0x20) !== 0) {
      return Buffer.concat([Buffer.of(tag, 0x80), openLengths(content), Buffer.of(0, 0)]);
    }
    if (tag !== 0x04 && tag !== 0x80) return primitive(tag, content);
    const half = content.length >> 1;
    const pieces = [content.subarray(0, half), content.subarray(half)].map((piece) =>
      primitive(0x04, piece),
    );
    return Buffer.concat([Buffer.of(tag | 0x20, 0x80), ...pieces, Buffer.of(0, 0)]);
  });
  return Buffer.concat(parts);
}

function primitive(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}
