/**
 * Sealing keys from a TPM (swtpm), a token (SoftHSM) and systemd-creds, with the stock programs. Each is
 * left out, loudly, where the machine lacks them.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { after, before, suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { systemFiles } from "#src/host/files.ts";
import { type Programs, systemPrograms } from "#src/host/programs.ts";
import { systemRandom } from "#src/host/random.ts";
import { credentialFileSealingKey } from "#src/identity/keys/credential-file-sealing-key.ts";
import type { SealingKeySource } from "#src/identity/keys/sealing-key.ts";
import { type TokenKeyOptions, tokenSealingKey } from "#src/identity/keys/token-sealing-key.ts";
import { tpmSealingKey } from "#src/identity/keys/tpm-sealing-key.ts";
import { type IdentityFiles, identityFiles } from "../fakes/identity-files.ts";
import { hasCommand, without } from "../fakes/needs.ts";
import { sealedKeys } from "../fakes/sealing-key.ts";

let files: IdentityFiles;
const secret = Uint8Array.from(systemRandom.bytes(32));

before(async () => {
  files = await identityFiles();
  files.write("secret", secret);
});
after(() => files[Symbol.dispose]());

async function refused(source: SealingKeySource, code: string, words: RegExp): Promise<void> {
  await assert.rejects(source.read(false), (error) => {
    assert.ok(isAgentError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    return true;
  });
}

/** Counts what is run, and passes it on. */
class CountingPrograms implements Programs {
  count = 0;
  parameters: readonly string[] = [];
  run: Programs["run"] = (program, parameters, options) => {
    this.count++;
    this.parameters = parameters;
    return systemPrograms.run(program, parameters, options);
  };
}

const hasTpm = hasCommand("swtpm") && hasCommand("tpm2_unseal") && hasCommand("tpm2_evictcontrol");
suite("a TPM", { skip: without("swtpm or tpm2-tools", hasTpm) }, () => {
  let swtpm: ChildProcess;
  let tcti = "";
  const at = (handle: string, more: { pcrs?: string; authFile?: string } = {}): SealingKeySource =>
    tpmSealingKey({ handle, tcti, programs: systemPrograms, ...more });
  const tpm = (program: string, ...parameters: string[]): string =>
    files.run(program, "-T", tcti, ...parameters);
  /** Without a resource manager objects stay until they are flushed. */
  const persist = (name: string, handle: string, ...creation: string[]): void => {
    tpm(
      "tpm2_create",
      "-Q",
      "-C",
      "primary.ctx",
      "-i",
      "secret",
      "-u",
      `${name}.pub`,
      "-r",
      `${name}.priv`,
      ...creation,
    );
    tpm("tpm2_flushcontext", "-t");
    tpm(
      "tpm2_load",
      "-Q",
      "-C",
      "primary.ctx",
      "-u",
      `${name}.pub`,
      "-r",
      `${name}.priv`,
      "-c",
      `${name}.ctx`,
    );
    tpm("tpm2_flushcontext", "-t");
    tpm("tpm2_evictcontrol", "-Q", "-C", "o", "-c", `${name}.ctx`, handle);
  };

  before(async () => {
    mkdirSync(files.path("tpm"));
    const port = await freePair();
    const tcp = (number: number): string => `type=tcp,port=${number},bindaddr=127.0.0.1`;
    swtpm = spawn(
      "swtpm",
      [
        "socket",
        "--tpm2",
        "--tpmstate",
        `dir=${files.path("tpm")}`,
        "--server",
        tcp(port),
        "--ctrl",
        tcp(port + 1),
        "--flags",
        "not-need-init,startup-clear",
      ],
      { stdio: "ignore" },
    );
    await once(swtpm, "spawn");
    tcti = `swtpm:host=127.0.0.1,port=${port}`;
    await untilAnswered(() => tpm("tpm2_createprimary", "-Q", "-C", "o", "-c", "primary.ctx"));
    persist("plain", "0x81010001");
    files.write("auth", "open sesame");
    persist("auth", "0x81010003", "-p", `file:${files.path("auth")}`);
    tpm("tpm2_startauthsession", "-S", "session.ctx");
    tpm("tpm2_policypcr", "-Q", "-S", "session.ctx", "-l", "sha256:16", "-L", "pcr.policy");
    tpm("tpm2_flushcontext", "session.ctx");
    persist("pcr", "0x81010002", "-L", "pcr.policy");
  });
  after(async () => {
    if (swtpm.exitCode !== null || swtpm.signalCode !== null) return;
    swtpm.kill("SIGKILL");
    await once(swtpm, "exit");
  });

  test("unseals, and seals and opens a private key", async () => {
    assert.deepEqual(await at("0x81010001").read(false), secret);
    const keys = sealedKeys(at("0x81010001"));
    await keys.open(await keys.create("ecdsa-p256"));
  });
  test("an authorisation from a file; a wrong one is tried once", async () => {
    assert.deepEqual(await at("0x81010003", { authFile: files.path("auth") }).read(false), secret);
    const programs = new CountingPrograms();
    files.write("wrong", "shut sesame");
    const source = tpmSealingKey({
      handle: "0x81010003",
      tcti,
      authFile: files.path("wrong"),
      programs,
    });
    await refused(source, "ERR_KEY_SEALING_INVALID", /authorisation/);
    await refused(source, "ERR_KEY_SEALING_INVALID", /authorisation/);
    assert.equal(programs.count, 1);
  });
  test("PCRs: the boot chain as it was, then another", async () => {
    assert.deepEqual(await at("0x81010002", { pcrs: "sha256:16" }).read(false), secret);
    await refused(at("0x81010002"), "ERR_KEY_SEALING_INVALID", /setting for PCRs/);
    tpm("tpm2_pcrextend", `16:sha256=${"ab".repeat(32)}`);
    await refused(at("0x81010002", { pcrs: "sha256:16" }), "ERR_KEY_SEALING_LOST", /boot chain/);
  });
  test("nothing at the handle", () =>
    refused(at("0x81010099"), "ERR_KEY_SEALING_LOST", /holds nothing at 0x81010099/));
  test("destroying evicts it, and again is harmless", async () => {
    persist("gone", "0x81010007");
    const source = at("0x81010007");
    assert.deepEqual(await source.read(false), secret);
    assert.deepEqual(await source.destroy(), { complete: true, remains: undefined });
    await refused(source, "ERR_KEY_SEALING_LOST", /holds nothing/);
    assert.equal((await source.destroy()).complete, true);
  });
  test("a TPM that does not answer", async () => {
    const source = tpmSealingKey({
      handle: "0x81010001",
      tcti: "swtpm:host=127.0.0.1,port=1",
      programs: systemPrograms,
    });
    await refused(source, "ERR_KEY_SEALING_UNAVAILABLE", /swtpm/);
    const { complete, remains } = await source.destroy();
    assert.equal(complete, false);
    assert.match(remains ?? "", /tpm2_evictcontrol/);
  });
});

const MODULE = "/usr/lib/softhsm/libsofthsm2.so";
const hasToken = hasCommand("softhsm2-util") && hasCommand("pkcs11-tool") && existsSync(MODULE);
suite("a token", { skip: without("SoftHSM or OpenSC", hasToken) }, () => {
  const options = (change: Partial<TokenKeyOptions> = {}): TokenKeyOptions => ({
    module: MODULE,
    tokenLabel: "edge",
    keyId: "01",
    padding: "oaep",
    wrappedFile: files.path("wrapped-oaep"),
    pinFile: files.path("pin"),
    environment: { SOFTHSM2_CONF: files.path("softhsm.conf") },
    programs: systemPrograms,
    files: systemFiles,
    ...change,
  });
  const source = (change: Partial<TokenKeyOptions> = {}) => tokenSealingKey(options(change));

  before(() => {
    mkdirSync(files.path("tokens"));
    files.write("softhsm.conf", `directories.tokendir = ${files.path("tokens")}\n`);
    files.write("pin", "1234\n");
    files.write("wrong-pin", "9999\n");
    files.run(
      "softhsm2-util",
      "--init-token",
      "--free",
      "--label",
      "edge",
      "--so-pin",
      "12345678",
      "--pin",
      "1234",
    );
    const tool = ["--module", MODULE, "--token-label", "edge"];
    for (const id of ["01", "02"]) {
      files.run(
        "pkcs11-tool",
        ...tool,
        "--login",
        "--pin",
        "1234",
        "--keypairgen",
        "--key-type",
        "rsa:2048",
        "--id",
        id,
        "--usage-decrypt",
      );
    }
    files.run(
      "pkcs11-tool",
      ...tool,
      "--read-object",
      "--type",
      "pubkey",
      "--id",
      "01",
      "-o",
      "token.der",
    );
    for (const padding of ["oaep", "pkcs1"]) {
      files.run(
        "openssl",
        "pkeyutl",
        "-encrypt",
        "-pubin",
        "-inkey",
        "token.der",
        "-keyform",
        "DER",
        "-pkeyopt",
        `rsa_padding_mode:${padding}`,
        "-in",
        "secret",
        "-out",
        `wrapped-${padding}`,
      );
    }
  });

  test("decrypts with either padding, and seals and opens a private key", async () => {
    assert.deepEqual(await source().read(false), secret);
    const old = source({ padding: "pkcs1", wrappedFile: files.path("wrapped-pkcs1") });
    assert.deepEqual(await old.read(false), secret);
    const keys = sealedKeys(source());
    await keys.open(await keys.create("ed25519"));
  });
  test("a wrong PIN is tried once, and stands in no parameter", async () => {
    const programs = new CountingPrograms();
    const wrong = source({ pinFile: files.path("wrong-pin"), programs });
    await refused(wrong, "ERR_KEY_SEALING_INVALID", /CKR_PIN_INCORRECT/);
    await refused(wrong, "ERR_KEY_SEALING_INVALID", /not tried again/);
    assert.equal(programs.count, 1);
    assert.equal(
      programs.parameters.some((each) => each.includes("9999")),
      false,
    );
  });
  const rows: readonly [
    why: string,
    change: () => Partial<TokenKeyOptions>,
    code: string,
    words: RegExp,
  ][] = [
    [
      "another key of the token",
      () => ({ keyId: "02" }),
      "ERR_KEY_SEALING_WRONG",
      /another key or padding/,
    ],
    [
      "a key that is not there",
      () => ({ keyId: "77" }),
      "ERR_KEY_SEALING_LOST",
      /not in the token/,
    ],
    [
      "a token that is not there",
      () => ({ tokenLabel: "gone" }),
      "ERR_KEY_SEALING_UNAVAILABLE",
      /status/,
    ],
    [
      "no wrapped key",
      () => ({ wrappedFile: files.path("nothing") }),
      "ERR_KEY_SEALING_LOST",
      /ENOENT/,
    ],
    [
      "no PIN file",
      () => ({ pinFile: files.path("nothing") }),
      "ERR_KEY_SEALING_INVALID",
      /ENOENT/,
    ],
    [
      "no such module",
      () => ({ module: "/nowhere/module.so" }),
      "ERR_KEY_SEALING_UNAVAILABLE",
      /module/i,
    ],
  ];
  for (const [why, change, code, words] of rows) {
    test(why, () => refused(source(change()), code, words));
  }
  test("destroying says what is left to the operator", async () => {
    const { complete, remains } = await source().destroy();
    assert.equal(complete, false);
    assert.match(remains ?? "", /--delete-object/);
  });
});

const hasCreds = hasCommand("systemd-creds") && process.getuid?.() === 0;
suite("systemd-creds", { skip: without("systemd-creds, or root,", hasCreds) }, () => {
  const at = (name: string, path = files.path("it.cred")): SealingKeySource =>
    credentialFileSealingKey({ path, name, programs: systemPrograms });
  before(() => {
    files.run("systemd-creds", "encrypt", "--with-key=host", "--name=sealing", "secret", "it.cred");
  });
  test("decrypts", async () => assert.deepEqual(await at("sealing").read(false), secret));
  test("under another name", () => refused(at("other"), "ERR_KEY_SEALING_WRONG", /not match/));
  test("not there", () =>
    refused(at("sealing", files.path("nothing")), "ERR_KEY_SEALING_LOST", /No such file/));
  test("damaged", async () => {
    const bytes = Buffer.from(files.read("it.cred"));
    const middle = bytes.length >> 1;
    bytes.write(bytes.toString("latin1", middle, middle + 1) === "A" ? "B" : "A", middle);
    await refused(
      at("sealing", files.write("bad.cred", bytes)),
      "ERR_KEY_SEALING_WRONG",
      /decrypt/i,
    );
  });
});

/** Two ports in a row that were free just now; swtpm takes no port 0. */
async function freePair(): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const next = createServer().listen(port + 1, "127.0.0.1");
    const free = await Promise.race([
      once(next, "listening").then(() => true),
      once(next, "error").then(() => false),
    ]);
    server.close();
    next.close();
    if (free) return port;
  }
  throw new Error("no two free ports in a row");
}

/** swtpm says nowhere that it listens; the first command that gets through does. */
async function untilAnswered(attempt: () => void): Promise<void> {
  for (let left = 50; ; left--) {
    try {
      attempt();
      return;
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}
