import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { type AgentError, isAgentError } from "#src/base/errors.ts";
import { systemFiles } from "#src/host/files.ts";
import type { ProgramResult, Programs } from "#src/host/programs.ts";
import { systemRandom } from "#src/host/random.ts";
import { credentialFileSealingKey } from "#src/identity/keys/credential-file-sealing-key.ts";
import { credentialSealingKey } from "#src/identity/keys/credential-sealing-key.ts";
import {
  chooseSealingKey,
  type SealingKeySettings,
} from "#src/identity/keys/sealing-key-choice.ts";
import { tokenSealingKey } from "#src/identity/keys/token-sealing-key.ts";
import { tpmSealingKey } from "#src/identity/keys/tpm-sealing-key.ts";
import { PowerDisk } from "../../../fakes/power-disk.ts";

const dir = mkdtempSync(join(tmpdir(), "microedge-sealing-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
};
const key = Uint8Array.from(systemRandom.bytes(32));
const hex = Buffer.from(key).toString("hex");

/** A program that ends as the test says. */
const ending = (result: Partial<ProgramResult>): Programs => ({
  run: async () => ({ end: "exited", status: 0, stdout: Buffer.alloc(0), stderr: "", ...result }),
});
const never: Programs = { run: () => Promise.reject(new Error("nothing is to be run")) };

suite("a systemd credential", () => {
  const good: readonly [why: string, content: string | Uint8Array][] = [
    ["32 octets", key],
    ["hexadecimal", hex],
    ["hexadecimal with a line end", `${hex}\n`],
    ["hexadecimal of Windows, in capitals", `${hex.toUpperCase()}\r\n`],
  ];
  for (const [why, content] of good) {
    test(`takes ${why}`, async () =>
      assert.deepEqual(
        await credentialSealingKey(file("c", content), systemFiles).read(false),
        key,
      ));
  }
  const bad: readonly [why: string, path: () => string, code: string, words: RegExp][] = [
    [
      "one that is missing",
      () => join(dir, "nothing"),
      "ERR_KEY_SEALING_LOST",
      /LoadCredentialEncrypted=/,
    ],
    ["a short one", () => file("c", "abc"), "ERR_KEY_SEALING_INVALID", /3 bytes.*openssl rand/],
    ["31 octets", () => file("c", key.subarray(1)), "ERR_KEY_SEALING_INVALID", /31 bytes/],
    ["an empty one", () => file("c", ""), "ERR_KEY_SEALING_INVALID", /0 bytes/],
    ["zeros", () => file("c", new Uint8Array(32)), "ERR_KEY_SEALING_INVALID", /one octet repeated/],
    [
      "erased flash",
      () => file("c", Buffer.alloc(32, 255)),
      "ERR_KEY_SEALING_INVALID",
      /one octet repeated/,
    ],
    [
      "a megabyte",
      () => file("c", Buffer.alloc(1 << 20)),
      "ERR_KEY_SEALING_INVALID",
      /larger than/,
    ],
    ["a directory", () => dir, "ERR_KEY_SEALING_UNAVAILABLE", /EISDIR/],
  ];
  for (const [why, path, code, words] of bad) {
    test(`refuses ${why}`, () =>
      assert.rejects(credentialSealingKey(path(), systemFiles).read(true), (error) => {
        assert.ok(isAgentError(error), String(error));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, words);
        return true;
      }));
  }
  test("can't be destroyed from here, and says so", async () => {
    const { complete, remains } = await credentialSealingKey("/x", systemFiles).destroy();
    assert.equal(complete, false);
    assert.match(remains ?? "", /systemd's/);
  });
});

suite("settings are checked before anything is run", () => {
  const tpm = (change: object) =>
    tpmSealingKey({ handle: "0x81010001", programs: never, ...change });
  const token = (change: object) =>
    tokenSealingKey({
      module: "/m.so",
      tokenLabel: "edge",
      keyId: "01",
      padding: "oaep",
      wrappedFile: "/w",
      pinFile: "/p",
      programs: never,
      files: systemFiles,
      ...change,
    });
  const creds = (change: object) =>
    credentialFileSealingKey({ path: "/c", name: "n", programs: never, ...change });
  test("good ones are taken", () => {
    for (const make of [tpm, token, creds]) assert.ok(make({}).description);
  });
  const bad: readonly [why: string, make: () => unknown, words: RegExp][] = [
    ["a transient handle", () => tpm({ handle: "0x80000001" }), /TPM handle/],
    ["a handle that is a file", () => tpm({ handle: "key.ctx" }), /TPM handle/],
    ["a handle that is an option", () => tpm({ handle: "--help" }), /TPM handle/],
    ["PCRs with more behind", () => tpm({ pcrs: "sha256:0+file:/x" }), /PCR selection/],
    ["PCRs and authorisation", () => tpm({ pcrs: "sha256:0", authFile: "/a" }), /not both/],
    ["a relative authorisation file", () => tpm({ authFile: "a" }), /authorisation file/],
    ["a tcti that runs a command", () => tpm({ tcti: "cmd:sh -c id" }), /tcti/],
    ["a tcti that is a library", () => tpm({ tcti: "/tmp/x.so" }), /tcti/],
    ["a relative module", () => token({ module: "m.so" }), /module/],
    ["a label that is an option", () => token({ tokenLabel: "--help" }), /label/],
    ["a label that is too long", () => token({ tokenLabel: "x".repeat(33) }), /label/],
    ["a key id that is odd", () => token({ keyId: "123" }), /key's id/],
    ["a relative wrapped file", () => token({ wrappedFile: "w" }), /wrapped key's file/],
    ["a relative PIN file", () => token({ pinFile: "p" }), /PIN's file/],
    ["a credential name with a slash", () => creds({ name: "a/b" }), /credential's name/],
    ["a relative credential", () => creds({ path: "-" }), /credential's file/],
  ];
  for (const [why, make, words] of bad) {
    test(why, () =>
      assert.throws(make, (error) => {
        assert.ok(isAgentError(error, "ERR_KEY_SEALING_INVALID"), String(error));
        assert.match(error.message, words);
        return true;
      }),
    );
  }
});

suite("what a program does wrong", () => {
  const rows: readonly [
    why: string,
    result: Partial<ProgramResult>,
    code: string,
    words: RegExp,
  ][] = [
    ["is not installed", { end: "not-found" }, "ERR_KEY_SEALING_UNAVAILABLE", /install tpm2-tools/],
    ["hangs", { end: "timeout" }, "ERR_KEY_SEALING_UNAVAILABLE", /within 20 seconds/],
    ["talks without end", { end: "output-limit" }, "ERR_KEY_SEALING_UNAVAILABLE", /more than/],
    ["is killed", { end: "signal" }, "ERR_KEY_SEALING_UNAVAILABLE", /killed/],
    ["gives nothing", {}, "ERR_KEY_SEALING_INVALID", /0 bytes/],
    [
      "gives too much",
      { stdout: Buffer.concat([key, key]) },
      "ERR_KEY_SEALING_INVALID",
      /64 bytes/,
    ],
    [
      "is locked out",
      { status: 1, stderr: "ERROR: Esys_Unseal(0x921) - warn" },
      "ERR_KEY_SEALING_UNAVAILABLE",
      /locked out/,
    ],
    [
      "says much and oddly",
      { status: 1, stderr: `\u001b[31m${"x".repeat(9000)}\n` },
      "ERR_KEY_SEALING_UNAVAILABLE",
      /^[\x20-\x7e]{1,500}$/,
    ],
  ];
  for (const [why, result, code, words] of rows) {
    test(why, () =>
      assert.rejects(
        tpmSealingKey({ handle: "0x81010001", programs: ending(result) }).read(false),
        (error) => {
          assert.ok(isAgentError(error), String(error));
          assert.equal(error.code, code, error.message);
          assert.match(error.message, words);
          return true;
        },
      ),
    );
  }
  test("what it gave out is overwritten, good or bad", async () => {
    const stdout = Buffer.from(key);
    await tpmSealingKey({ handle: "0x81010001", programs: ending({ stdout }) }).read(false);
    assert.deepEqual(stdout, Buffer.alloc(32));
    const half = Buffer.from(key);
    const failed = ending({ status: 1, stdout: half });
    await tpmSealingKey({ handle: "0x81010001", programs: failed })
      .read(false)
      .catch((error: AgentError) => assert.equal(error.code, "ERR_KEY_SEALING_UNAVAILABLE"));
    assert.deepEqual(half, Buffer.alloc(32));
  });
});

suite("which sealing key is used", () => {
  const ports = {
    files: systemFiles,
    disk: new PowerDisk(),
    programs: never,
    random: systemRandom,
    uid: 1000,
  };
  const token = {
    module: "/m.so",
    tokenLabel: "edge",
    keyId: "01",
    padding: "oaep",
    wrappedFile: "/w",
    pinFile: "/p",
  } as const;
  const all: Required<SealingKeySettings> = {
    credential: "/c",
    tpm: { handle: "0x81010001" },
    token,
    credentialFile: { path: "/c", name: "n" },
    deviceFile: "/state/device.key",
    storeDir: "/state",
  };
  const order = ["systemd-credential", "tpm2", "pkcs11", "systemd-creds", "device-file"];
  for (const [index, kind] of order.entries()) {
    test(`${kind}, when nothing better is configured`, () => {
      const left = Object.entries(all).filter(([name], at) => at >= index || name === "deviceFile");
      const settings = { deviceFile: all.deviceFile, ...Object.fromEntries(left) };
      assert.equal(chooseSealingKey(settings, ports).kind, kind);
    });
  }
  test("one that fails is not replaced by the next", () =>
    assert.rejects(
      chooseSealingKey({ ...all, credential: join(dir, "nothing") }, ports).read(true),
      (error) => isAgentError(error, "ERR_KEY_SEALING_LOST"),
    ));
});
