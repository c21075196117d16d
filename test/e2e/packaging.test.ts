/**
 * What is shipped beside the program: the systemd unit, the Debian packages, and that a second build
 * gives the same bytes. Needs `npm run build -- --deb`.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { BUNDLE, EXECUTABLE } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";
import { hasCommand, without } from "../fakes/needs.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const UNIT = join(ROOT, "systemd/microedge.service");
/** systemd's exposure level times ten; 14 was reached, a bare unit has 96. */
const MAX_EXPOSURE = 15;

const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
const cpu = process.arch === "x64" ? "amd64" : process.arch;
const deb = (architecture: string): string =>
  join(ROOT, `dist/microedge_${version}_${architecture}.deb`);

let scratch = "";
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "microedge-packaging-"));
});
after(() => rm(scratch, { recursive: true }));

suite("the systemd unit", { skip: without("systemd", hasCommand("systemd-analyze")) }, () => {
  test("systemd finds nothing to complain about", async () => {
    const unit = await readFile(UNIT, "utf8");
    const copy = join(scratch, "microedge.service");
    // Where it is not installed, systemd would complain of the missing program only.
    await writeFile(copy, unit.replaceAll("/usr/bin/microedge", EXECUTABLE));
    const verdict = await run(["systemd-analyze", "verify", "--man=no", copy]);
    assert.equal(`${verdict.stdout}${verdict.stderr}`, "");
    assert.equal(verdict.code, 0);
  });

  test("a misspelt setting would have been found", async () => {
    const copy = join(scratch, "misspelt.service");
    const unit = await readFile(UNIT, "utf8");
    await writeFile(copy, unit.replace("ProtectHome=", "ProtectHoem="));
    const verdict = await run(["systemd-analyze", "verify", "--man=no", copy]);
    assert.match(verdict.stderr, /ProtectHoem/);
  });

  test("exposes as little as it did", async () => {
    const command = ["systemd-analyze", "security", "--offline=true"] as const;
    const verdict = await run([...command, `--threshold=${MAX_EXPOSURE}`, UNIT]);
    assert.equal(verdict.code, 0, verdict.stdout.split("\n").at(-1));
    const stricter = await run([...command, "--threshold=5", UNIT]);
    assert.notEqual(stricter.code, 0, "the threshold is looked at");
  });

  test("gives the program the memory environment of the launcher", async () => {
    const [unit, launcher] = await Promise.all([readFile(UNIT, "utf8"), readFile(BUNDLE, "utf8")]);
    const settings = /^Environment=(.*)$/m.exec(unit)?.[1]?.split(" ") ?? [];
    assert.ok(settings.length >= 3);
    for (const setting of settings) {
      const [name = "", value] = setting.split("=");
      assert.ok(launcher.includes(`export ${name}="\${${name}:-${value}}"`), setting);
    }
  });
});

suite("the Debian packages", { skip: without("dpkg-deb", hasCommand("dpkg-deb")) }, () => {
  for (const architecture of ["amd64", "arm64"]) {
    test(`${architecture}: says what it is and what it needs`, async () => {
      const field = async (name: string): Promise<string> =>
        (await run(["dpkg-deb", "--field", deb(architecture), name])).stdout;
      assert.equal(await field("Architecture"), architecture);
      assert.equal(await field("Version"), version);
      assert.match(await field("Depends"), /libc6 \(>= 2\.28\).*libstdc\+\+6/);
    });

    test(`${architecture}: holds these files, owned by root, writable by nobody else`, async () => {
      const { stdout } = await run(["dpkg-deb", "--contents", deb(architecture)]);
      const rows = stdout.split("\n").map((row) => row.split(/\s+/));
      const files = rows.map(([mode = "", , , , , path = ""]) => `${mode} ${path.slice(1)}`);
      assert.deepEqual(files.filter((file) => file.startsWith("-")).sort(), [
        "-rw-r--r-- /etc/microedge/microedge.toml",
        "-rw-r--r-- /usr/lib/systemd/system/microedge.service",
        "-rw-r--r-- /usr/lib/sysusers.d/microedge.conf",
        "-rw-r--r-- /usr/share/doc/microedge/README.md",
        "-rw-r--r-- /usr/share/doc/microedge/copyright",
        "-rwxr-xr-x /usr/bin/microedge",
      ]);
      assert.deepEqual(new Set(rows.map((row) => row[1])), new Set(["root/root"]));
      for (const file of files) assert.match(file, /^[-d]rw.r-.r-. /);
    });
  }

  test("unpacked, the program runs, takes its configuration, and is the one that was built", async () => {
    const folder = join(scratch, "unpacked");
    assert.equal((await run(["dpkg-deb", "--extract", deb(cpu), folder])).code, 0);
    const program = join(folder, "usr/bin/microedge");
    const answer = await run([program, "version"]);
    assert.equal(answer.code, 0, answer.stderr);
    assert.match(answer.stdout, new RegExp(`^microedge ${version.replaceAll(".", "\\.")}`));

    const config = join(folder, "etc/microedge/microedge.toml");
    const check = await run([program, "config", "check", "--config", config]);
    assert.equal(check.code, 0, check.stderr);

    const digest = async (file: string): Promise<string> =>
      createHash("sha256")
        .update(await readFile(file))
        .digest("hex");
    assert.equal(await digest(program), await digest(EXECUTABLE));
  });

  test("its checksums are right and its configuration is kept on upgrades", async () => {
    const folder = join(scratch, "control");
    assert.equal((await run(["dpkg-deb", "--control", deb(cpu), folder])).code, 0);
    assert.equal(
      await readFile(join(folder, "conffiles"), "utf8"),
      "/etc/microedge/microedge.toml\n",
    );
    const check = await run(["md5sum", "--check", "--quiet", join(folder, "md5sums")], {
      cwd: join(scratch, "unpacked"),
    });
    assert.equal(check.code, 0, check.stderr);
  });

  const isRoot = process.getuid?.() === 0;
  test("dpkg installs it, and removes it again", {
    skip: without("the right to use dpkg (root)", isRoot),
  }, async () => {
    const folder = join(scratch, "root");
    const admin = join(folder, "var/lib/dpkg");
    await run([
      "mkdir",
      "-p",
      join(admin, "info"),
      join(admin, "updates"),
      join(admin, "triggers"),
    ]);
    await writeFile(join(admin, "status"), "");
    await writeFile(join(admin, "available"), "");
    // The libraries are not in that root; the scripts of the package run outside and are told of it.
    const dpkg = [
      "dpkg",
      `--root=${folder}`,
      "--force-depends",
      "--force-script-chrootless",
    ] as const;
    const installed = await run([...dpkg, "--install", deb(cpu)]);
    assert.equal(installed.code, 0, installed.stderr);
    assert.ok((await stat(join(folder, "usr/bin/microedge"))).isFile());
    assert.match(await readFile(join(folder, "etc/passwd"), "utf8"), /^microedge:/m);

    const removed = await run([...dpkg, "--remove", "microedge"]);
    assert.equal(removed.code, 0, removed.stderr);
    await assert.rejects(stat(join(folder, "usr/bin/microedge")), { code: "ENOENT" });
    assert.ok((await stat(join(folder, "etc/microedge/microedge.toml"))).isFile(), "kept");

    const purged = await run([...dpkg, "--purge", "microedge"]);
    assert.equal(purged.code, 0, purged.stderr);
    await assert.rejects(stat(join(folder, "etc/microedge/microedge.toml")), { code: "ENOENT" });
  });
});

suite("the build", () => {
  test("gives the same bytes a second time, wherever they go", async () => {
    const again = await run(
      [process.execPath, "scripts/build.ts", "--deb", "--verify-reproducible"],
      { cwd: ROOT, timeoutMs: 800_000 },
    );
    assert.equal(again.code, 0, `${again.stdout}\n${again.stderr}`);
    assert.equal(again.stdout.match(/^ {2}same /gm)?.length, 8, again.stdout);
  });
});
