/**
 * What can be wrong with what an operator types around the certificate store, on the built program: each
 * a clear error with its exit code and a fix, and nothing of the device has changed.
 */
import assert from "node:assert/strict";
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { type Ended, run } from "../fakes/child.ts";
import { makeSite, type Site } from "../fakes/site.ts";

const DAY = 86_400_000;
const ROOT = process.geteuid?.() === 0;

let agent: AgentProcess;
let stranger: Site;
before(async () => {
  agent = await startAgent({ inStore: true });
  stranger = await makeSite();
  const { site } = agent;
  await site.issue("microedge");
  await site.issue("good");
  await site.issue("other");
  const now = Date.now();
  await site.issue("expired", { notBefore: now - 90 * DAY, notAfter: now - DAY });
  await stranger.issue("microedge");
  const at = (name: string) => join(site.directory, name);
  await writeFile(at("junk.bin"), Buffer.from([0x80, 0xfe, 0x00, 0xc3, 0x28, 0x0a]));
  await writeFile(at("empty.pem"), "");
  await writeFile(at("short.txt"), "secret\n");
  await mkdir(at("directory"));
});
after(async () => {
  await agent[Symbol.asyncDispose]();
  await stranger[Symbol.asyncDispose]();
});

/** `{}` stands for the directory of the device, `{s}` for that of another authority. */
interface Row {
  readonly why: string;
  readonly args: string;
  readonly code: number;
  readonly error: string;
  readonly says: RegExp;
}

const rows: readonly Row[] = [
  {
    why: "no such certificate",
    args: "cert import --cert {}/none.crt --key {}/good.key",
    code: 74,
    error: "ERR_FILE_IO",
    says: /--cert: can't read .*none\.crt/,
  },
  {
    why: "a directory",
    args: "cert import --cert {}/directory --key {}/good.key",
    code: 74,
    error: "ERR_FILE_IO",
    says: /--cert: can't read .*directory/,
  },
  {
    why: "a binary file for a certificate",
    args: "cert import --cert {}/junk.bin --key {}/good.key",
    code: 1,
    error: "ERR_IMPORT_INVALID",
    says: /junk\.bin is neither PEM nor DER nor PKCS#12/,
  },
  {
    why: "an empty file for a key",
    args: "cert import --cert {}/good.crt --key {}/empty.pem",
    code: 1,
    error: "ERR_IMPORT_INVALID",
    says: /empty\.pem is empty/,
  },
  {
    why: "the certificate where the key should be",
    args: "cert import --cert {}/good.crt --key {}/other.crt",
    code: 1,
    error: "ERR_IMPORT_INVALID",
    says: /has no private key/,
  },
  {
    why: "the key of another certificate",
    args: "cert import --cert {}/good.crt --key {}/other.key",
    code: 1,
    error: "ERR_CERT_REFUSED",
    says: /\(key-mismatch\)/,
  },
  {
    why: "a certificate that has ended",
    args: "cert import --force --cert {}/expired.crt --key {}/expired.key",
    code: 1,
    error: "ERR_CERT_REFUSED",
    says: /\(expired\)/,
  },
  {
    why: "a certificate of another authority",
    args: "cert import --cert {s}/microedge.crt --key {s}/microedge.key",
    code: 1,
    error: "ERR_CERT_REFUSED",
    says: /\(unknown-authority\)/,
  },
  {
    why: "another device's name",
    args: "cert import --cert {}/other.crt --key {}/other.key",
    code: 1,
    error: "ERR_CERT_REFUSED",
    says: /\(other-identity\)/,
  },
  {
    why: "a leaf for a trust bundle",
    args: "cert import --cert {}/microedge.crt --key {}/microedge.key --ca {}/other.crt",
    code: 1,
    error: "ERR_CERT_REFUSED",
    says: /trust bundle holds no authority \(bundle-malformed\)/,
  },
  {
    why: "an empty trust bundle",
    args: "cert import --cert {}/microedge.crt --key {}/microedge.key --ca {}/empty.pem",
    code: 1,
    error: "ERR_IMPORT_INVALID",
    says: /--ca: .*empty\.pem is empty/,
  },
  {
    why: "a trust bundle that is no text",
    args: "cert import --cert {}/microedge.crt --key {}/microedge.key --ca {}/junk.bin",
    code: 74,
    error: "ERR_FILE_IO",
    says: /junk\.bin is not text/,
  },
  {
    why: "no key anywhere",
    args: "cert import --cert {}/good.crt",
    code: 1,
    error: "ERR_IMPORT_INVALID",
    says: /no private key for any of the certificates/,
  },
  { why: "nothing at all", args: "cert import", code: 2, error: "ERR_USAGE", says: /--cert FILE/ },
  {
    why: "a passphrase file that is not there",
    args: "cert import --pkcs12 {}/junk.bin --passphrase-file {}/none",
    code: 74,
    error: "ERR_FILE_IO",
    says: /--passphrase-file: can't read/,
  },
  {
    why: "a short passphrase",
    args: "cert export --format pkcs12 --passphrase-file {}/short.txt --dir {}/export",
    code: 1,
    error: "ERR_KEY_PASSPHRASE",
    says: /12 characters at least\n +fix: choose a longer one/,
  },
  {
    why: "a format that is none",
    args: "cert export --format jks",
    code: 2,
    error: "ERR_USAGE",
    says: /--format must be one of/,
  },
  {
    why: "a bundle under which our own chain does not verify",
    args: "cert trust --replace {s}/ca.crt",
    code: 1,
    error: "ERR_CERT_REFUSED",
    says: /\(unknown-authority\)/,
  },
  {
    why: "a bundle that is no text",
    args: "cert trust --replace {}/junk.bin",
    code: 74,
    error: "ERR_FILE_IO",
    says: /junk\.bin is not text/,
  },
  {
    why: "an overlap of a thousand years",
    args: "cert trust --replace {}/ca.crt --overlap 365000",
    code: 2,
    error: "ERR_USAGE",
    says: /--overlap must be/,
  },
  {
    why: "a key of an unknown kind",
    args: "key create next --algorithm rsa",
    code: 2,
    error: "ERR_USAGE",
    says: /--algorithm must be one of/,
  },
  {
    why: "a key that is called like a path",
    args: "key create ../next",
    code: 2,
    error: "ERR_USAGE",
    says: /NAME must be/,
  },
  {
    why: "a reset without a word of assent",
    args: "store reset",
    code: 2,
    error: "ERR_USAGE",
    says: /add --yes/,
  },
  {
    why: "a reset under a running agent",
    args: "store reset --yes",
    code: 1,
    error: "ERR_STORE_LOCKED",
    says: /the agent is running/,
  },
  {
    why: "a replacement under a running agent",
    args: "store replace --yes --cert {}/microedge.crt --key {}/microedge.key",
    code: 1,
    error: "ERR_STORE_LOCKED",
    says: /the agent is running/,
  },
];

function all({ code, stdout, stderr }: Ended): string {
  return `exit ${code}\n${stdout}${stderr}`;
}

function wordsOf(args: string): string[] {
  return args
    .split(" ")
    .map((word) => word.replace("{s}", stranger.directory).replace("{}", agent.site.directory));
}

async function inForce(): Promise<unknown> {
  const { stdout } = await agent.microedge("status", "--json");
  const { identity } = JSON.parse(stdout) as { identity: { generation: number; serial: string } };
  return [identity.generation, identity.serial];
}

/** As text and as JSON: the same error. */
async function assertRefused(row: Row, config: string): Promise<void> {
  const words = [...wordsOf(row.args), "--config", config];
  const ended = await run([BUNDLE, ...words]);
  assert.equal(ended.code, row.code, all(ended));
  assert.match(ended.stderr, row.says);
  assert.match(ended.stderr, /^ {2}fix: \S/m);
  assert.match(ended.stderr, new RegExp(`^ {2}code: ${row.error}$`, "m"));
  const { stdout } = await run([BUNDLE, ...words, "--json"]);
  const { ok, exitCode, error } = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual([ok, exitCode, (error as { code: string }).code], [false, row.code, row.error]);
}

suite("bad input, the agent running", () => {
  for (const row of rows) {
    test(row.why, async () => {
      const before = await inForce();
      await assertRefused(row, agent.configPath);
      assert.deepEqual(await inForce(), before);
    });
  }

  test("what reached the agent and was refused stands in its log, with codes", () => {
    const refused = agent.log().filter(({ event }) => event === "certificate.refused");
    const codes = refused.flatMap(({ reasons }) =>
      (reasons as { code: string }[]).map(({ code }) => code),
    );
    for (const code of ["key-mismatch", "expired", "unknown-authority", "other-identity"]) {
      assert.ok(codes.includes(code), `${code} in ${codes.join()}`);
    }
  });
});

/** The store alone, and what may be wrong with its place. */
interface Place {
  readonly why: string;
  readonly root?: true;
  make(site: Site): Promise<string>;
  readonly args: string;
  readonly code: number;
  readonly error: string;
  readonly says: RegExp;
}

const configured = (site: Site, dir: string, more = ""): Promise<string> =>
  site.write("m.toml", `[store]\ndir = "${dir}"\n[control]\nsocket = "c.sock"\n${more}`);

const IMPORT = "cert import --cert {}/good.crt --key {}/good.key";
const places: readonly Place[] = [
  {
    why: "an empty store needs a trust bundle",
    make: (site) => configured(site, "store"),
    args: IMPORT,
    code: 1,
    error: "ERR_IMPORT_INVALID",
    says: /the store is empty, so the import needs a trust bundle: add --ca/,
  },
  {
    why: "nothing to show in an empty store",
    make: (site) => configured(site, "store"),
    args: "cert show",
    code: 1,
    error: "ERR_IDENTITY_NONE",
    says: /microedge cert import/,
  },
  {
    why: "the store is a file",
    make: async (site) => {
      await site.write("store", "not a directory");
      return configured(site, "store");
    },
    args: `${IMPORT} --ca {}/ca.crt`,
    code: 1,
    error: "ERR_STORE_UNSAFE",
    says: /store/,
  },
  {
    why: "others can write beside the store's files",
    make: async (site) => {
      await mkdir(join(site.directory, "store"));
      await chmod(join(site.directory, "store"), 0o777);
      await writeFile(join(site.directory, "store", "state-0"), "x");
      await chown(join(site.directory, "store", "state-0"), 4_711, 4_711);
      return configured(site, "store");
    },
    root: true,
    args: `${IMPORT} --ca {}/ca.crt`,
    code: 1,
    error: "ERR_STORE_UNSAFE",
    says: /belongs to user 4711.*run chown/,
  },
  {
    why: "no store is configured, and no agent runs",
    make: async (site) => {
      const { cert, key, ca } = await site.issue("x");
      return site.write(
        "m.toml",
        `[tls]\ncert = "${cert}"\nkey = "${key}"\nca = "${ca}"\n[control]\nsocket = "c.sock"\n`,
      );
    },
    args: "cert history",
    code: 1,
    error: "ERR_STORE_NONE",
    says: /has no certificate store/,
  },
  {
    why: "store and files at once",
    make: (site) => configured(site, "store", '[tls]\ncert = "x.crt"\n'),
    args: "cert show",
    code: 78,
    error: "ERR_CONFIG_INVALID",
    says: /store\.dir contradicts tls\.cert/,
  },
  {
    why: "the socket belongs to an agent of another configuration",
    make: (site) =>
      site.write(
        "m.toml",
        `[store]\ndir = "store"\n[control]\nsocket = "${agent.site.directory}/control.sock"\n`,
      ),
    args: "cert show",
    code: 69,
    error: "ERR_CONTROL_UNREACHABLE",
    says: /another configuration/,
  },
  {
    why: "a systemd credential that nobody passed",
    make: (site) => configured(site, "store", '[sealing]\ncredential = "microedge"\n'),
    args: "key list",
    code: 78,
    error: "ERR_CONFIG_INVALID",
    says: /CREDENTIALS_DIRECTORY is not set/,
  },
];

suite("bad places for a store, no agent running", () => {
  for (const place of places) {
    const skip = place.root === true && !ROOT ? "only root can give files away" : false;
    test(place.why, { skip }, async () => {
      await using site = await makeSite();
      await assertRefused(place, await place.make(site));
    });
  }
});
