/**
 * Certificates on a real disk: swapped by symlink, as certificate tools do, while connections are open.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "#src/host/clock.ts";
import { systemFiles } from "#src/host/files.ts";
import { openFileSource } from "#src/identity/file-source.ts";
import { testPki } from "../fakes/certificates.ts";
import { dialTls, echo, RecordingLog, startRig } from "../fakes/network-rig.ts";

test("a symlink swap changes the certificate of new connections and drops no open one", async () => {
  const pki = await testPki();
  const dir = mkdtempSync(join(tmpdir(), "tls-files-"));
  try {
    for (const name of ["one", "two"]) {
      const leaf = await pki.issue(name);
      mkdirSync(join(dir, name));
      writeFileSync(join(dir, name, "cert.pem"), leaf.certificatePem);
      writeFileSync(join(dir, name, "key.pem"), leaf.keyPem, { mode: 0o600 });
    }
    writeFileSync(join(dir, "ca.pem"), pki.caPem);
    symlinkSync("one", join(dir, "live"));
    const log = new RecordingLog();
    await using source = await openFileSource({
      paths: {
        cert: join(dir, "live", "cert.pem"),
        key: join(dir, "live", "key.pem"),
        ca: join(dir, "ca.pem"),
      },
      reloadIntervalMs: 20,
      files: systemFiles,
      clock: systemClock,
      log,
    });
    await using rig = await startRig({
      kind: "tls",
      source,
      verify: { kind: "enforce" },
      minVersion: "1.3",
    });
    const client = await pki.issue("client");
    const show = { ca: pki.caPem, cert: client.certificatePem, key: client.keyPem };
    const open = await dialTls(rig.port, show);
    assert.equal(open.getPeerX509Certificate()?.subject, "CN=one");

    const replaced = new Promise<void>((resolve) => source.subscribe(() => resolve()));
    symlinkSync("two", join(dir, "next"));
    renameSync(join(dir, "next"), join(dir, "live"));
    // The source's timer does not keep the process alive; the open connection does.
    await replaced;
    const fresh = await dialTls(rig.port, show);
    assert.equal(fresh.getPeerX509Certificate()?.subject, "CN=two");
    assert.equal(await echo(open, "still open"), "echo:still open");
    assert.equal(await echo(fresh, "new"), "echo:new");
    open.destroy();
    fresh.destroy();
  } finally {
    rmSync(dir, { recursive: true });
  }
});

const NO_FILES = [
  {
    why: "a named pipe that nobody writes to",
    make: (path: string) => execFileSync("mkfifo", [path]),
  },
  { why: "a terminal", make: (path: string) => symlinkSync("/dev/ptmx", path) },
  { why: "an endless device", make: (path: string) => symlinkSync("/dev/zero", path) },
];

for (const { why, make } of NO_FILES) {
  test(`${why} in place of a certificate is refused at once, not waited for`, async () => {
    const pki = await testPki();
    const dir = mkdtempSync(join(tmpdir(), "tls-files-"));
    try {
      const leaf = await pki.issue("one");
      const paths = { cert: join(dir, "c.pem"), key: join(dir, "k.pem"), ca: join(dir, "ca.pem") };
      writeFileSync(paths.cert, leaf.certificatePem);
      writeFileSync(paths.key, leaf.keyPem, { mode: 0o600 });
      writeFileSync(paths.ca, pki.caPem);
      const log = new RecordingLog();
      const options = {
        paths,
        reloadIntervalMs: 60_000,
        files: systemFiles,
        clock: systemClock,
        log,
      };
      await using source = await openFileSource(options);
      rmSync(paths.cert);
      make(paths.cert);
      const outcome = await source.reload();
      assert.equal(outcome.kind, "refused");
      assert.equal(log.of("tls.material.refused").length, 1);
      assert.match(source.refusal?.[0] ?? "", /^tls\.cert: .*(is not a file|ENOENT|ENXIO)/);
      rmSync(paths.cert);
      writeFileSync(paths.cert, leaf.certificatePem);
      assert.equal((await source.reload()).kind, "unchanged");
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}
