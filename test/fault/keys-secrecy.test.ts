/**
 * Whatever goes wrong with a key, its octets stand in no error, no log line and no JSON; neither does a
 * passphrase. Files are damaged at random, and everything that comes out is searched.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { AgentError } from "#src/base/errors.ts";
import { formatJson, formatText } from "#src/host/log-format.ts";
import { systemRandom } from "#src/host/random.ts";
import { createCertificateRequest } from "#src/identity/exchange/certificate-request.ts";
import { importIdentity } from "#src/identity/exchange/identity-import.ts";
import { exportPem, exportPkcs12 } from "#src/identity/exchange/key-export.ts";
import { sealKey, unsealKey } from "#src/identity/keys/sealed-envelope.ts";
import { type IdentityFiles, identityFiles } from "../fakes/identity-files.ts";
import { FULL, hasCommand, without } from "../fakes/needs.ts";
import { FixedSealingKey, sealedKeys, secretIn, secretsOf } from "../fakes/sealing-key.ts";

const RUNS = FULL ? 2_000 : 150;
const PASSPHRASE = "correct horse battery staple";
let files: IdentityFiles;
let secrets: Uint8Array[] = [];

before(async () => {
  files = await identityFiles();
  secrets = [...secretsOf(files.keyPem), Buffer.from(PASSPHRASE)];
});
after(() => files[Symbol.dispose]());

/** Every way in which we or somebody else could print a value. */
function printed(value: unknown): string {
  const ways = [inspect(value, { depth: 9, showHidden: true }), JSON.stringify(value) ?? ""];
  for (let cause = value; cause instanceof Error; cause = cause.cause) {
    ways.push(cause.message, cause.stack ?? "", JSON.stringify({ ...cause }));
  }
  return ways.join("\n");
}

function assertSilent(value: unknown, what: string): void {
  const text = printed(value);
  for (const secret of secrets) {
    const where = secretIn(text, secret);
    assert.equal(where, undefined, `${what}: the secret stands there in ${where}`);
  }
}

/** Cuts, flips, doubles and mixes in; most results are no key any more, some still are. */
const damage = fc.record({
  kind: fc.constantFrom("cut", "flip", "double", "insert", "relabel", "unframe"),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  with: fc.string({ minLength: 1, maxLength: 8 }),
});

function damaged(text: string, change: { kind: string; at: number; with: string }): string {
  const at = Math.floor(change.at * text.length);
  const ways: Readonly<Record<string, () => string>> = {
    cut: () => text.slice(0, at),
    flip: () => text.slice(0, at) + change.with + text.slice(at + change.with.length),
    double: () => text + text.slice(at),
    insert: () => text.slice(0, at) + change.with + text.slice(at),
    relabel: () => text.replaceAll("PRIVATE KEY", change.at < 0.5 ? "CERTIFICATE" : "PUBLIC KEY"),
    unframe: () => text.replace(/-----[A-Z ]+-----/g, change.with),
  };
  return ways[change.kind]?.() ?? text;
}

suite("key octets are nowhere", () => {
  test("the search itself finds a key in each form", () => {
    const [secret = new Uint8Array()] = secrets;
    const hidden = Buffer.concat([Buffer.from("x"), secret]);
    for (const text of [
      files.keyPem,
      inspect(files.keyPem),
      JSON.stringify({ a: files.keyPem }),
      hidden.toString("hex"),
      hidden.toString("base64"),
      hidden.toString("base64url"),
      JSON.stringify([...hidden]),
      hidden.toString("latin1"),
    ]) {
      assert.notEqual(secretIn(text, secret), undefined, text.slice(0, 60));
    }
    assert.throws(() => assertSilent(new Error(`can't read ${files.keyPem}`), "a leak"));
  });

  test("in what damaged key files give", () =>
    fc.assert(
      fc.asyncProperty(damage, fc.boolean(), async (change, withChain) => {
        const text = damaged(files.keyPem + (withChain ? files.leafPem : ""), change);
        const all = [
          importIdentity([{ name: "f", bytes: Buffer.from(text) }]),
          sealedKeys().import(text),
          sealedKeys().import(text, PASSPHRASE),
        ];
        for (const result of await Promise.allSettled(all)) {
          if (result.status === "fulfilled") continue;
          assert.ok(result.reason instanceof AgentError, printed(result.reason));
          assertSilent(result.reason, change.kind);
        }
      }),
      { numRuns: RUNS },
    ));

  test("in what damaged PKCS#12 gives", {
    skip: without("openssl", hasCommand("openssl")),
  }, async () => {
    for (const [name, more] of [
      ["new", []],
      ["clear", ["-keypbe", "NONE", "-certpbe", "NONE"]],
      ["old", ["-legacy"]],
    ] as const) {
      files.run(
        "openssl",
        "pkcs12",
        "-export",
        ...more,
        "-inkey",
        "leaf.key",
        "-in",
        "leaf.pem",
        "-passout",
        `pass:${PASSPHRASE}`,
        "-out",
        `${name}.p12`,
      );
    }
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("new.p12", "clear.p12", "old.p12"),
        fc.constantFrom(PASSPHRASE, `${PASSPHRASE}!`, ""),
        fc.array(fc.tuple(fc.nat(2000), fc.integer({ min: 1, max: 255 })), {
          minLength: 1,
          maxLength: 3,
        }),
        async (name, passphrase, flips) => {
          const bytes = Uint8Array.from(files.read(name));
          for (const [at, mask] of flips)
            bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ mask;
          const took = await importIdentity([{ name, bytes }], { passphrase }).catch(
            (error: unknown) => error,
          );
          if (!(took instanceof Error)) return;
          assert.ok(took instanceof AgentError, printed(took));
          assertSilent(took, name);
        },
      ),
      { numRuns: RUNS },
    );
  });

  test("in errors of sealed forms that were damaged", async () => {
    const source = new FixedSealingKey();
    const keys = sealedKeys(source);
    const reference = await keys.import(files.keyPem);
    secrets.push(Uint8Array.from(source.key));
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const sealed = Buffer.from(reference.locator, "base64");
        sealed[at % sealed.length] = (sealed[at % sealed.length] ?? 0) ^ mask;
        const damaged = { ...reference, locator: sealed.toString("base64") };
        const error = await keys.open(damaged).catch((thrown: unknown) => thrown);
        assert.ok(error instanceof AgentError);
        assertSilent(error, "sealed form");
      }),
      { numRuns: RUNS },
    );
  });

  test("in references, open keys, providers and exports, however they are printed", async () => {
    const source = new FixedSealingKey();
    const keys = sealedKeys(source);
    const reference = await keys.import(files.keyPem);
    const key = await keys.open(reference);
    const request = { key, chainPem: files.leafPem, passphrase: PASSPHRASE, random: systemRandom };
    for (const [what, value] of [
      ["reference", reference],
      ["open key", key],
      ["open key in a list", { keys: [key] }],
      ["provider", keys],
      ["PEM export", await exportPem(request)],
      ["PKCS#12 export", Buffer.from(await exportPkcs12(request))],
      ["request", await createCertificateRequest(key, { commonName: "gw", sans: {} })],
    ] as const) {
      assertSilent(value, what);
    }
  });

  test("in log lines, even of somebody who logs an error's text or a key by mistake", async () => {
    const text = damaged(files.keyPem, { kind: "cut", at: 0.7, with: "" });
    const error = await sealedKeys()
      .import(text)
      .catch((thrown: unknown) => thrown);
    assert.ok(error instanceof AgentError);
    for (const format of [formatJson, formatText({ colour: false })]) {
      for (const value of [printed(error), files.keyPem, inspect(files.keyPem)]) {
        const frame = { timeMs: 0, level: "info", event: "store.failed", msg: "m" } as const;
        assertSilent(format({ ...frame, fields: { reason: value } }), "log line");
      }
    }
  });

  test("our own copies are overwritten when a key was sealed and opened", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
    const sealingKey = systemRandom.bytes(32);
    const spkiSha256 = "ab".repeat(32);
    const opened = unsealKey(
      sealKey({ pkcs8, spkiSha256 }, sealingKey, systemRandom),
      spkiSha256,
      sealingKey,
    );
    // A view into a larger pool would leave the key in memory that other buffers share.
    assert.equal(opened.equals(pkcs8), true);
    opened.fill(0);
    assert.equal(Buffer.from(opened.buffer).includes(pkcs8), false);
  });
});
