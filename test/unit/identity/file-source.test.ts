import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { type FileSource, openFileSource } from "#src/identity/file-source.ts";
import { testPki } from "../../fakes/certificates.ts";
import { MemoryFiles } from "../../fakes/certificates-files.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { RecordingLog } from "../../fakes/network-rig.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 5, 1);
const paths = { cert: "server.crt", key: "server.key", ca: "ca.crt" };
const pki = await testPki("Test CA", NOW);
const other = await testPki("Other CA", NOW);
const one = await pki.issue("one");
const two = await pki.issue("two");
const middle = await pki.intermediate("Middle");

interface Bench {
  readonly files: MemoryFiles;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  open(): Promise<FileSource>;
}

function bench(): Bench {
  const files = new MemoryFiles();
  files.write(paths.cert, one.certificatePem);
  files.write(paths.key, one.keyPem);
  files.write(paths.ca, pki.caPem);
  const clock = new FakeClock(NOW);
  const log = new RecordingLog();
  const open = (): Promise<FileSource> =>
    openFileSource({ paths, reloadIntervalMs: 2000, files, clock, log });
  return { files, clock, log, open };
}

const subject = (source: FileSource): string | undefined => source.leaf?.summary.subject;

suite("FileSource at start", () => {
  test("loads, and says what is in force", async () => {
    const { log, open } = bench();
    await using source = await open();
    assert.equal(source.current.chainPem, one.certificatePem);
    const [line] = log.of("tls.material.loaded");
    assert.equal(line?.fields["subject"], "CN=one");
    assert.deepEqual(source.warnings, []);
    assert.doesNotMatch(JSON.stringify(log.lines), /BEGIN|PRIVATE/);
  });

  const encrypted = createPrivateKey(one.keyPem)
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
    .toString();
  const faults: readonly { why: string; file: string; text: string | undefined; words: RegExp }[] =
    [
      {
        why: "no certificate file",
        file: paths.cert,
        text: undefined,
        words: /^tls\.cert: ENOENT/,
      },
      {
        why: "no certificate in it",
        file: paths.cert,
        text: "hello",
        words: /^tls\.cert: the file holds no PEM certificate/,
      },
      {
        why: "half a certificate",
        file: paths.cert,
        text: one.certificatePem.slice(0, 300),
        words: /^tls\.cert: the file is cut off/,
      },
      {
        why: "half an intermediate after a whole leaf",
        file: paths.cert,
        text: one.certificatePem + middle.certificatePem.slice(0, 300),
        words: /^tls\.cert: the file is cut off/,
      },
      {
        why: "the first half of a key",
        file: paths.key,
        text: one.keyPem.slice(0, 100),
        words: /^tls\.key: the file is cut off/,
      },
      {
        why: "a broken certificate",
        file: paths.cert,
        text: one.certificatePem.replace(/M/g, "N"),
        words: /^tls\.cert: certificate 1: this is not a certificate that can be read/,
      },
      {
        why: "a chain in the wrong order",
        file: paths.cert,
        text: middle.certificatePem + one.certificatePem,
        words: /put the leaf first/,
      },
      {
        why: "a foreign certificate in the chain",
        file: paths.cert,
        text: one.certificatePem + other.caPem,
        words: /"CN=Other CA"\) did not issue certificate 1 \("CN=one"\)/,
      },
      {
        why: "another key",
        file: paths.key,
        text: two.keyPem,
        words: /^tls\.key: the key does not belong to the certificate/,
      },
      {
        why: "no key",
        file: paths.key,
        text: "",
        words: /^tls\.key: the file holds no PEM private key/,
      },
      {
        why: "half a key",
        file: paths.key,
        text: one.keyPem.replace(/\n.{10}/, "\n"),
        words: /^tls\.key: the private key can't be read/,
      },
      {
        why: "an encrypted key",
        file: paths.key,
        text: encrypted,
        words: /^tls\.key: the key is encrypted with a passphrase/,
      },
      { why: "two keys", file: paths.key, text: one.keyPem + two.keyPem, words: /holds 2 keys/ },
      {
        why: "an empty bundle",
        file: paths.ca,
        text: "\n",
        words: /^tls\.ca: trust bundle holds no certificate/,
      },
      {
        why: "a broken second authority",
        file: paths.ca,
        text: pki.caPem + other.caPem.replace(/M/g, "N"),
        words: /^tls\.ca: certificate 2 of the trust bundle/,
      },
      {
        why: "a bundle that is still being written: half of it would refuse good peers",
        file: paths.ca,
        text: pki.caPem + other.caPem.slice(0, 300),
        words: /^tls\.ca: trust bundle is cut off/,
      },
      {
        why: "a bundle of leaves alone: nobody could be verified",
        file: paths.ca,
        text: two.certificatePem,
        words: /^tls\.ca: trust bundle holds no authority: "CN=two" is not one/,
      },
      {
        why: "a huge file",
        file: paths.ca,
        text: "x".repeat(1024 * 1024 + 1),
        words: /ca\.crt is larger than 1048576 bytes/,
      },
    ];
  for (const { why, file, text, words } of faults) {
    test(`refuses: ${why}`, async () => {
      const { files, open } = bench();
      if (text === undefined) files.remove(file);
      else files.write(file, text);
      const error = await open().catch((thrown) => thrown);
      assert.ok(error instanceof AgentError);
      assert.equal(error.code, "ERR_TLS_MATERIAL");
      assert.match(error.message, words);
      assert.doesNotMatch(error.message, /BEGIN/);
    });
  }
  test("names every fault at once", async () => {
    const { files, open } = bench();
    files.write(paths.cert, "x");
    files.write(paths.key, "x");
    files.write(paths.ca, "x");
    await assert.rejects(open(), /tls\.cert: .*; tls\.ca: .*; tls\.key: /);
  });

  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const warnings = [
    {
      why: "others may read the key",
      change: (files: MemoryFiles) => files.write(paths.key, one.keyPem, 0o644),
      words: /^tls\.key: other users may read the key \(mode 644\); run chmod 600 server\.key/,
    },
    {
      why: "an authority nobody here knows",
      change: (files: MemoryFiles) => files.write(paths.ca, other.caPem),
      words: /unknown authority.*peers with the same trust bundle will refuse it/,
    },
    {
      why: "a bundle with a leaf in it",
      change: (files: MemoryFiles) => files.write(paths.ca, pki.caPem + two.certificatePem),
      words: /^tls\.ca: "CN=two" is not an authority's certificate/,
    },
  ];
  for (const { why, change, words } of warnings) {
    test(`warns, and starts: ${why}`, async () => {
      const { files, log, open } = bench();
      change(files);
      await using source = await open();
      assert.match(source.warnings.join("\n"), words);
      assert.equal(log.of("tls.material.warning").length, source.warnings.length);
    });
  }
  test("starts with a wrong clock, with a warning: the device must be reachable", async () => {
    const { clock, open } = bench();
    clock.jump(-NOW);
    await using source = await open();
    assert.match(source.warnings.join("\n"), /not yet valid/);
  });
  test("an RSA pair is good too", async () => {
    const { files, open } = bench();
    const leaf = await pki.odd("rsa", { key: rsa });
    files.write(paths.cert, leaf.certificatePem);
    files.write(paths.key, leaf.keyPem);
    await using source = await open();
    assert.deepEqual([subject(source), source.warnings], ["CN=rsa", []]);
  });
});

suite("FileSource while it runs", () => {
  test("untouched files are not read again", async () => {
    const { files, clock, open } = bench();
    await using _source = await open();
    const { reads } = files;
    await clock.advance(20_000);
    assert.equal(files.reads, reads);
  });
  test("a new pair is taken over within one interval, and subscribers hear of it once", async () => {
    const { files, clock, open } = bench();
    await using source = await open();
    const heard: string[] = [];
    source.subscribe(({ digest }) => heard.push(digest));
    files.write(paths.cert, two.certificatePem);
    files.write(paths.key, two.keyPem);
    await clock.advance(2000);
    assert.equal(subject(source), "CN=two");
    assert.deepEqual(heard, [source.current.digest]);
    await clock.advance(10_000);
    assert.equal(heard.length, 1);
  });
  test("a pair that is written in two steps is never seen mismatched, nor complained about", async () => {
    const { files, clock, log, open } = bench();
    await using source = await open();
    files.write(paths.cert, two.certificatePem);
    await clock.advance(2000);
    assert.equal(subject(source), "CN=one");
    files.write(paths.key, two.keyPem);
    await clock.advance(2000);
    assert.equal(subject(source), "CN=two");
    assert.equal(log.of("tls.material.refused").length, 0);
  });
  test("a bad set leaves the old in force and is told once per change", async () => {
    const { files, clock, log, open } = bench();
    await using source = await open();
    let swaps = 0;
    source.subscribe(() => swaps++);
    files.write(paths.cert, "garbage");
    await clock.advance(60_000);
    assert.equal(subject(source), "CN=one");
    assert.equal(log.of("tls.material.refused").length, 1);
    assert.match(
      String(log.of("tls.material.refused")[0]?.fields["reasons"]),
      /no PEM certificate/,
    );
    assert.match(source.refusal?.join() ?? "", /no PEM certificate/);
    files.remove(paths.cert);
    await clock.advance(60_000);
    assert.equal(log.of("tls.material.refused").length, 2, "another change, another line");
    files.write(paths.cert, one.certificatePem);
    await clock.advance(2000);
    assert.equal(source.refusal, undefined, "all is well again");
    assert.equal(log.of("tls.material.loaded").length, 2, "and the log says so");
    assert.equal(swaps, 0, "nothing was swapped");
    await clock.advance(60_000);
    assert.equal(log.of("tls.material.loaded").length, 2, "once");
  });
  test("a certificate that is out of date does not replace one that is in date", async () => {
    const { files, clock, log, open } = bench();
    await using source = await open();
    const old = await pki.issue("old", { notBefore: NOW - 9 * DAY, notAfter: NOW - DAY });
    files.write(paths.cert, old.certificatePem);
    files.write(paths.key, old.keyPem);
    await clock.advance(4000);
    assert.equal(subject(source), "CN=one");
    assert.match(String(log.of("tls.material.refused")[0]?.fields["reasons"]), /which is not now/);
  });
  test("a certificate that begins later is taken when it begins, without a touch of the files", async () => {
    const { files, clock, log, open } = bench();
    await using source = await open();
    const next = await pki.issue("next", { notBefore: NOW + 60_000, notAfter: NOW + 9 * DAY });
    files.write(paths.cert, next.certificatePem);
    files.write(paths.key, next.keyPem);
    await clock.advance(58_000);
    assert.equal(subject(source), "CN=one");
    assert.equal(log.of("tls.material.refused").length, 1);
    await clock.advance(2_000);
    assert.deepEqual([subject(source), source.refusal], ["CN=next", undefined]);
  });
  test("a trust bundle of which nothing is in date does not replace one that is", async () => {
    const { files, clock, log, open } = bench();
    await using source = await open();
    const dead = await testPki("Dead CA", NOW - 20 * 365 * DAY);
    files.write(paths.ca, dead.caPem);
    await clock.advance(4000);
    assert.match(
      source.refusal?.join() ?? "",
      /^tls\.ca: no authority of the new trust bundle is in/,
    );
    assert.equal(source.current.trustBundlePem, pki.caPem);
    files.write(paths.ca, dead.caPem + pki.caPem);
    await clock.advance(4000);
    assert.equal(source.refusal, undefined, "one that is in date is enough");
    assert.equal(log.of("tls.material.refused").length, 1);
  });
  test("reload says at once what came of it", async () => {
    const { files, open } = bench();
    await using source = await open();
    assert.deepEqual(await source.reload(), { kind: "unchanged" });
    files.write(paths.cert, two.certificatePem);
    const refused = await source.reload();
    assert.ok(refused.kind === "refused");
    assert.match(refused.reasons.join(), /does not belong/);
    files.write(paths.key, two.keyPem);
    assert.deepEqual(await source.reload(), { kind: "replaced" });
    files.write(paths.ca, pki.caPem + other.caPem);
    assert.deepEqual(await source.reload(), { kind: "replaced" }, "a new bundle counts too");
  });
  test("a disk that hangs does not hold up the end, and what it says later is not heard", async () => {
    const { files, clock, log, open } = bench();
    const source = await open();
    const hanging = Promise.withResolvers<void>();
    files.beforeRead = () => hanging.promise;
    files.write(paths.cert, "garbage");
    await clock.advance(2000);
    await source[Symbol.asyncDispose]();
    hanging.resolve();
    await clock.advance(10_000);
    assert.deepEqual([log.of("tls.material.refused").length, clock.timers], [0, 0]);
  });
  test("a closed source leaves no timer", async () => {
    const { clock, open } = bench();
    const source = await open();
    await source[Symbol.asyncDispose]();
    assert.equal(clock.timers, 0);
  });
});
