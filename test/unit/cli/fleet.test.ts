/** The fleet's commands, as the operator types them on a machine that has nothing but files. */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, suite, test } from "node:test";
import { COMMANDS } from "#src/cli/command-table.ts";
import { runCommandLine } from "#src/cli/dispatch.ts";
import { openFleetKey } from "#src/identity/fleet-signing-key.ts";
import {
  parseFleetKey,
  parseStatement,
  verifyStatement,
} from "#src/identity/time/time-statement.ts";
import { createAuthority, issueCertificate } from "#src/identity/x509/issue.ts";
import { bundleDigest, parseTrustUpdates } from "#src/rotation/trust-update.ts";
import { judgeTrustUpdates } from "#src/rotation/trust-update-chain.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";
import { FakeTerminal } from "../../fakes/terminal.ts";

const NOW = new FakeTerminal().clock.now();
const DAY_MS = 86_400_000;
const PASSPHRASE = "correct horse battery";
let directory = "";
const roots: string[] = [];
let leaf = "";

before(async () => {
  const random = new FakeRandom(1);
  const all = await Promise.all(
    [3650, 3650, 3650, 1].map((days, index) =>
      createAuthority({ cn: `Root ${index + 1}`, days, nowMs: NOW - 2 * DAY_MS, random }),
    ),
  );
  roots.push(...all.map(({ certificatePem }) => certificatePem));
  const [authority] = all;
  assert.ok(authority !== undefined);
  const sans = { dns: ["x"], ip: [], uri: [] };
  const issued = {
    authority,
    cn: "x",
    sans,
    usages: ["client"],
    days: 9,
    nowMs: NOW,
    random,
  } as const;
  leaf = (await issueCertificate(issued)).certificatePem;
});

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "fleet-"));
  roots.forEach((pem, index) => {
    write(`root${index + 1}.pem`, pem);
  });
  write("leaf.pem", leaf);
  write("secret.txt", `${PASSPHRASE}\nnot this\n`);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));
after(() => rmSync(directory, { recursive: true, force: true }));

const write = (name: string, text: string): void => writeFileSync(join(directory, name), text);
const read = (name: string): string => readFileSync(join(directory, name), "utf8");

async function run(line: string, stdin = "") {
  const terminal = new FakeTerminal(directory);
  terminal.stdin = (async function* () {
    yield Buffer.from(stdin);
  })();
  const code = await runCommandLine(line.split(" "), COMMANDS, terminal);
  return { code, out: terminal.stdout.text, err: terminal.stderr.text };
}
async function good(line: string, stdin = ""): Promise<Record<string, unknown>> {
  const { code, out, err } = await run(`${line} --json`, stdin);
  assert.equal(code, 0, out + err);
  return JSON.parse(out) as Record<string, unknown>;
}
const SIGN = "fleet trust --key fleet.key --passphrase-file secret.txt --chain chain.jsonl";
const newKey = async (name = "fleet.key"): Promise<string> =>
  String((await good(`fleet init ${name} --passphrase-file secret.txt`))["publicKey"]);

suite("fleet init", () => {
  test("an encrypted key, for its owner alone, and the line for the configuration", async () => {
    const publicKey = await newKey();
    assert.equal(lstatSync(join(directory, "fleet.key")).mode & 0o777, 0o600);
    assert.match(read("fleet.key"), /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    assert.equal((await openFleetKey(read("fleet.key"), PASSPHRASE)).text, publicKey);
    await assert.rejects(openFleetKey(read("fleet.key"), "another passphrase"), {
      code: "ERR_KEY_PASSPHRASE",
    });
  });

  test("two keys are two", async () => {
    assert.notEqual(await newKey("one.key"), await newKey("two.key"));
  });

  test("unprotected only when asked for", async () => {
    const { publicKey, encrypted } = await good("fleet init lab.key --no-passphrase");
    assert.equal(encrypted, false);
    assert.equal((await openFleetKey(read("lab.key"), undefined)).text, publicKey);
  });

  test("the text shows what to write where", async () => {
    const { out } = await run("fleet init lab.key --no-passphrase");
    const { text } = await openFleetKey(read("lab.key"), undefined);
    assert.ok(out.includes(`update_keys = ["${text}"]`) && out.includes("NOT encrypted"), out);
    assert.ok(!out.includes("PRIVATE"));
  });

  const bad = [
    { args: "fleet.key", code: 2, says: /--passphrase-file/, why: "no word of protection" },
    {
      args: "fleet.key --no-passphrase --passphrase-file secret.txt",
      code: 2,
      says: /exclude/,
      why: "both",
    },
    {
      args: "fleet.key --passphrase-file short.txt",
      code: 1,
      says: /12 characters/,
      why: "a short passphrase",
    },
    {
      args: "fleet.key --passphrase-file none.txt",
      code: 74,
      says: /none\.txt/,
      why: "no such file",
    },
    { args: "root1.pem --no-passphrase", code: 73, says: /exists/, why: "a file in the way" },
    { args: "", code: 2, says: /FILE/, why: "no name" },
  ];
  for (const { args, code, says, why } of bad) {
    test(`refused: ${why}`, async () => {
      write("short.txt", "tooshort\n");
      const before = read("root1.pem");
      const ended = await run(`fleet init ${args}`.trim());
      assert.equal(ended.code, code, ended.err);
      assert.match(ended.err, says);
      assert.equal(read("root1.pem"), before);
    });
  }
});

suite("fleet trust", () => {
  test("a chain that a device takes from the beginning, from the middle, and at its end", async () => {
    const key = parseFleetKey(await newKey());
    const first = await good(`${SIGN} --bundle root2.pem --from root1.pem`);
    assert.equal(first["sequence"], 1);
    assert.equal(first["previous"], bundleDigest(roots[0] ?? ""));
    const second = await good(`${SIGN} --bundle root3.pem --days 30`);
    assert.equal(second["sequence"], 2);
    assert.equal(second["notAfter"], NOW + 30 * DAY_MS);
    const chain = parseTrustUpdates(read("chain.jsonl"));
    for (const [sequence, steps] of [
      [0, 2],
      [1, 1],
      [2, 0],
    ] as const) {
      const verdict = judgeTrustUpdates(chain, {
        position: { sequence, digest: bundleDigest(roots[sequence] ?? "") },
        ...{ keys: [key], device: "roof-7", epoch: "0".repeat(32) },
        time: {
          state: "network",
          nowMs: NOW,
          floorMs: NOW,
          clockWrong: false,
          words: undefined,
        },
      });
      assert.equal(verdict.kind, steps === 0 ? "known" : "take", JSON.stringify(verdict));
      if (verdict.kind === "take")
        assert.deepEqual([verdict.steps, verdict.update.sequence], [steps, 2]);
    }
  });

  test("one that stands on its own, cut free of those before it, for one device and epoch", async () => {
    await newKey();
    await good(`${SIGN} --bundle root2.pem --from root1.pem`);
    const epoch = "0123456789abcdef0123456789abcdef";
    await good(
      `${SIGN} --bundle root3.pem --any-previous --cut --device roof-7 --epoch ${epoch} --not-before 2026-01-01 --not-after 2027-01-01T12:00:00Z`,
    );
    const [update, ...more] = parseTrustUpdates(read("chain.jsonl"));
    assert.deepEqual(more, []);
    const { sequence, previous, device, notBefore, notAfter } = update ?? {};
    assert.deepEqual(
      { sequence, previous, device, epoch: update?.epoch },
      { sequence: 2, previous: "any", device: "roof-7", epoch },
    );
    assert.deepEqual([notBefore, notAfter], [Date.UTC(2026, 0, 1), Date.UTC(2027, 0, 1, 12)]);
  });

  test("authorities once each, and nothing else of the file", async () => {
    await newKey();
    write("all.pem", `my notes\n${roots[1]}${roots[2]}${roots[1]}`);
    await good(`${SIGN} --bundle all.pem --from root1.pem`);
    const [update] = parseTrustUpdates(read("chain.jsonl"));
    assert.equal(update?.bundle.match(/BEGIN CERTIFICATE/g)?.length, 2);
    assert.ok(!update?.bundle.includes("my notes"));
  });

  test("what deserves a look is said: an ended root, the same again, another key in the chain", async () => {
    await newKey();
    const ended = await good(`${SIGN} --bundle root4.pem --from root1.pem`);
    assert.match(String(ended["remarks"]), /Root 4" ended/);
    await newKey("other.key");
    const again = await good(`${SIGN.replace("fleet.key", "other.key")} --bundle root4.pem`);
    assert.match(String(again["remarks"]), /another key.*same authorities/);
  });

  test("a key that others may read and that has no passphrase is signed with, and told", async () => {
    await good("fleet init lab.key --no-passphrase");
    await newKey();
    const lab = "fleet trust --key lab.key --chain lab.jsonl --bundle root2.pem --any-previous";
    assert.equal((await run(lab)).err, "");
    for (const name of ["lab.key", "fleet.key"]) chmodSync(join(directory, name), 0o644);
    const told = await run(lab);
    assert.equal(told.code, 0);
    assert.match(told.err, /warning: others .* lab\.key, and it has no passphrase: chmod 0600/);
    const encrypted = await run(`${SIGN} --bundle root2.pem --from root1.pem`);
    assert.deepEqual([encrypted.code, encrypted.err], [0, ""]);
  });

  test("64 updates are the most: then the last may stand on its own and begin anew", async () => {
    await good("fleet init lab.key --no-passphrase");
    const sign = "fleet trust --key lab.key --chain chain.jsonl --bundle root2.pem";
    await good(`${sign} --from root1.pem`);
    for (let count = 2; count <= 64; count++) await good(sign);
    const before = read("chain.jsonl");
    const { code, err } = await run(sign);
    assert.equal(code, 1);
    assert.match(err, /more than 64[\s\S]*--any-previous --cut/);
    assert.equal(read("chain.jsonl"), before);
    assert.equal((await good(`${sign} --any-previous --cut`))["sequence"], 65);
  });

  const bad = [
    {
      args: "--bundle root2.pem",
      code: 2,
      says: /--from FILE, or --any-previous/,
      why: "the first follows nothing",
    },
    { args: "--from root1.pem", code: 2, says: /--bundle FILE/, why: "no bundle" },
    {
      args: "--bundle leaf.pem --from root1.pem",
      code: 1,
      says: /no authority/,
      why: "no authority at all",
    },
    {
      args: "--bundle mixed.pem --from root1.pem",
      code: 1,
      says: /"CN=x" in the bundle is not an authority/,
      why: "a leaf among them",
    },
    {
      args: "--bundle secret.txt --from root1.pem",
      code: 1,
      says: /no certificate/,
      why: "no certificate",
    },
    {
      args: "--bundle none.pem --from root1.pem",
      code: 74,
      says: /--bundle: can't read none\.pem/,
      why: "no such file",
    },
    {
      args: "--bundle root2.pem --from root1.pem --any-previous",
      code: 2,
      says: /--from/,
      why: "both beginnings",
    },
    {
      args: "--bundle root2.pem --from root1.pem --cut",
      code: 2,
      says: /--cut goes with/,
      why: "a cut that leaves a gap",
    },
    {
      args: "--bundle root2.pem --from root1.pem --epoch XYZ",
      code: 2,
      says: /--epoch/,
      why: "an epoch that is none",
    },
    {
      args: "--bundle root2.pem --from root1.pem --days 0",
      code: 2,
      says: /--days/,
      why: "no time at all",
    },
    {
      args: "--bundle root2.pem --from root1.pem --not-after 2020-01-01",
      code: 2,
      says: /later than/,
      why: "ends before it begins",
    },
    {
      args: "--bundle root2.pem --from root1.pem --not-after 2027-02-30",
      code: 2,
      says: /--not-after must be/,
      why: "a day that there is not",
    },
    {
      args: "--bundle root2.pem --from root1.pem --not-after 2027-01-01 --days 3",
      code: 2,
      says: /exclude/,
      why: "two ends",
    },
  ];
  for (const { args, code, says, why } of bad) {
    test(`refused, nothing written: ${why}`, async () => {
      await newKey();
      write("mixed.pem", `${roots[1]}${leaf}`);
      const ended = await run(`${SIGN} ${args}`);
      assert.equal(ended.code, code, ended.err);
      assert.match(ended.err, says);
      assert.throws(() => read("chain.jsonl"), { code: "ENOENT" });
    });
  }

  const keys = [
    { key: "secret.txt", code: 1, says: /no private key/, why: "no key" },
    {
      key: "ec.key",
      code: 1,
      says: /fleet key is Ed25519, and this one is ec/,
      why: "a key of a CA",
    },
    { key: "none.key", code: 74, says: /--key: can't read/, why: "no such file" },
  ];
  for (const { key, code, says, why } of keys) {
    test(`refused: ${why}`, async () => {
      const { keyPem } = await createAuthority({
        cn: "CA",
        days: 1,
        nowMs: NOW,
        random: new FakeRandom(2),
      });
      write("ec.key", keyPem);
      const line = `fleet trust --key ${key} --chain chain.jsonl --bundle root2.pem --from root1.pem`;
      const ended = await run(line);
      assert.equal(ended.code, code, ended.err);
      assert.match(ended.err, says);
    });
  }

  test("refused: the passphrase is missing, or wrong", async () => {
    await newKey();
    const line =
      "fleet trust --key fleet.key --chain chain.jsonl --bundle root2.pem --from root1.pem";
    assert.match((await run(line)).err, /encrypted and no passphrase/);
    write("secret.txt", "another passphrase\n");
    const { code, err } = await run(`${line} --passphrase-file secret.txt`);
    assert.equal(code, 1);
    assert.match(err, /passphrase is wrong/);
    assert.ok(!err.includes("another passphrase"));
  });

  test("refused: a chain that is broken is not made longer", async () => {
    await newKey();
    await good(`${SIGN} --bundle root2.pem --from root1.pem`);
    await good(`${SIGN} --bundle root3.pem`);
    const [first = "", second = ""] = read("chain.jsonl").split("\n");
    for (const [chain, says] of [
      [`${first}\n${second.replace('"sequence":2', '"sequence":3')}\n`, /broken at 3: the key/],
      [`${first.slice(0, 90)}\n`, /line 1: it is not JSON/],
    ] as const) {
      write("chain.jsonl", chain);
      const ended = await run(`${SIGN} --bundle root1.pem`);
      assert.equal(ended.code, 1);
      assert.match(ended.err, says);
      assert.equal(read("chain.jsonl"), chain);
    }
  });

  for (const [chain, says, why] of [
    ["none/chain.jsonl", /can't write .*none\/chain\.jsonl/, "a directory that there is not"],
    [".", /--chain: can't read/, "a directory in place of the file"],
  ] as const) {
    test(`refused: ${why}`, async () => {
      await newKey();
      const line = `${SIGN.replace("chain.jsonl", chain)} --bundle root2.pem`;
      const { code, err } = await run(`${line} --from root1.pem`);
      assert.equal(code, 74, err);
      assert.match(err, says);
    });
  }
});

suite("two that sign for one chain", () => {
  test("at once: no number is given twice, and no line is lost", async () => {
    const key = await newKey();
    await good(`${SIGN} --bundle root2.pem --from root1.pem`);
    const both = await Promise.all(
      ["root3.pem", "root1.pem"].map((name) => run(`${SIGN} --bundle ${name} --json`)),
    );
    const signed = both.filter(({ code }) => code === 0);
    assert.ok(signed.length > 0);
    const sequences = parseTrustUpdates(read("chain.jsonl")).map(({ sequence }) => sequence);
    assert.deepEqual(sequences, [1, 2, 3].slice(0, 1 + signed.length));
    assert.equal((await run(`fleet verify chain.jsonl --key ${key}`)).code, 0);
  });

  test("the second is told, and writes nothing; a failure leaves no lock", async () => {
    await newKey();
    write("chain.jsonl.lock", "1\n");
    const held = await run(`${SIGN} --bundle root2.pem --from root1.pem`);
    assert.equal(held.code, 73, held.err);
    assert.match(held.err, /another process signs for this chain/);
    assert.match(held.err, /rm .*chain\.jsonl\.lock/);
    assert.equal(existsSync(join(directory, "chain.jsonl")), false);
    rmSync(join(directory, "chain.jsonl.lock"));
    assert.notEqual((await run(`${SIGN} --bundle none.pem --from root1.pem`)).code, 0);
    await good(`${SIGN} --bundle root2.pem --from root1.pem`);
    assert.equal(existsSync(join(directory, "chain.jsonl.lock")), false);
  });
});

suite("fleet verify", () => {
  async function chainOfTwo(): Promise<string> {
    const key = await newKey();
    await good(`${SIGN} --bundle root2.pem --from root1.pem --days 1`);
    await good(`${SIGN} --bundle root3.pem`);
    return key;
  }

  test("explains each line", async () => {
    const key = await chainOfTwo();
    const { code, out } = await run(`fleet verify chain.jsonl --key ${key} --from root1.pem`);
    assert.equal(code, 0, out);
    for (const words of [
      "update 1",
      "update 2",
      "good, key",
      "CN=Root 2",
      "CN=Root 3",
      "the bundle of the one before it",
      "the bundle of --from",
      "good: 2 updates",
    ]) {
      assert.ok(out.includes(words), words);
    }
  });

  const swap = (text: string): string => text.replace('"device":"any"', '"device":"roof-7"');
  const bad = [
    {
      change: swap,
      from: "",
      signature: "bad-signature",
      link: "first",
      why: "changed on the way",
    },
    {
      change: (text: string) => text,
      from: "--from root3.pem",
      signature: "good",
      link: "fork",
      why: "not what devices have",
    },
    {
      change: (text: string) =>
        text.split("\n").slice(0, 1).concat(text.split("\n").slice(0, 1)).join("\n"),
      from: "",
      signature: "good",
      link: "twice",
      why: "the same number twice",
    },
  ];
  for (const { change, from, signature, link, why } of bad) {
    test(`exit code 1: ${why}`, async () => {
      const key = await chainOfTwo();
      write("chain.jsonl", change(read("chain.jsonl")));
      const { code, out } = await run(
        `fleet verify chain.jsonl --key ${key} ${from} --json`.replace("  ", " "),
      );
      assert.equal(code, 1, out);
      const { updates } = JSON.parse(out) as {
        updates: { signature: string; link: string; fault: unknown }[];
      };
      const faulty = updates.find(({ fault }) => fault !== null);
      assert.deepEqual([faulty?.signature, faulty?.link], [signature, link]);
    });
  }

  test("exit code 1: a line is missing, another signed, the last has ended", async () => {
    const key = await chainOfTwo();
    await good(`${SIGN} --bundle root1.pem --not-before 2020-01-01 --not-after 2020-02-01`);
    const [first = "", , third = ""] = read("chain.jsonl").split("\n");
    const all = await run(`fleet verify chain.jsonl --key ${key}`);
    assert.equal(all.code, 1);
    assert.match(all.out, /the last one has ended/);
    write("chain.jsonl", `${first}\n${third}\n`);
    assert.match(
      (await run(`fleet verify chain.jsonl --key ${key}`)).out,
      /FAULT +those before 3 are missing/,
    );
    const other = await newKey("other.key");
    const { code, out } = await run(`fleet verify chain.jsonl --key ${other}`);
    assert.equal(code, 1);
    assert.match(out, /which was not given/);
  });

  test("refused: no key, no file, a key that is none", async () => {
    assert.equal((await run("fleet verify chain.jsonl")).code, 2);
    assert.equal((await run("fleet verify chain.jsonl --key rsa:x")).code, 2);
    const key = await newKey();
    assert.equal((await run(`fleet verify none.jsonl --key ${key}`)).code, 74);
  });
});

suite("fleet time", () => {
  const challenge = {
    device: "roof-7",
    epoch: "0".repeat(32),
    nonce: "1".repeat(64),
    forMs: 600_000,
  };
  const SIGN_TIME = "fleet time --key fleet.key --passphrase-file secret.txt";

  test("what it prints is a statement that verifies, from a file and from stdin", async () => {
    const key = parseFleetKey(await newKey());
    write("challenge.json", JSON.stringify({ schema: 1, ok: true, ...challenge }));
    const file = await run(`${SIGN_TIME} challenge.json`);
    const pipe = await run(`${SIGN_TIME} - --time 2027-01-31T12:00:00Z`, JSON.stringify(challenge));
    for (const [{ code, out, err }, time] of [
      [file, NOW],
      [pipe, Date.UTC(2027, 0, 31, 12)],
    ] as const) {
      assert.equal(code, 0, err);
      const statement = parseStatement(out.trim());
      assert.equal(verifyStatement(statement, [key]), "good");
      assert.deepEqual([statement.device, statement.time], ["roof-7", time]);
    }
  });

  for (const [text, says] of [
    ["", /is empty/],
    ["{", /not JSON/],
    ["null", /no device/],
    ["[]", /no device/],
    [JSON.stringify({ ...challenge, nonce: "12" }), /"nonce" must be 64/],
    [JSON.stringify({ ...challenge, device: "a\nb" }), /"device" must be/],
    [" ".repeat(5000), /more than the/],
  ] as const) {
    test(`refused: ${says.source}`, async () => {
      await newKey();
      const { code, out, err } = await run(`${SIGN_TIME} -`, text);
      assert.equal(code, 1, err);
      assert.match(err, says);
      assert.equal(out, "");
    });
  }
});
