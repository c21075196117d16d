/**
 * The Debian package: the single executable, the unit, its user and a first configuration. Made by
 * dpkg-deb, with every time, owner and mode fixed, so that two builds of one commit are identical.
 *
 * Installing it starts nothing: the agent needs certificates first.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { BuildFacts } from "./facts.ts";
import type { Architecture } from "./node-runtime.ts";

/** Debian's names of the CPUs. */
const DEBIAN_CPU: Readonly<Record<Architecture, string>> = { x64: "amd64", arm64: "arm64" };

const CONFIG = "etc/microedge/microedge.toml";

/** File name of the package, e.g. "microedge_0.1.0_arm64.deb". */
export function debName(facts: BuildFacts, architecture: Architecture): string {
  return `microedge_${facts.version}_${DEBIAN_CPU[architecture]}.deb`;
}

/** Writes the package into `out` from `out/linux-<architecture>/microedge`. */
export function makeDeb(
  root: string,
  out: string,
  scratch: string,
  facts: BuildFacts,
  architecture: Architecture,
): void {
  const tree = join(scratch, `deb-${architecture}`);
  const installed: string[] = [];
  const put = (path: string, content: string | Uint8Array, mode = 0o644): void => {
    const target = join(tree, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content);
    // Not left to the umask of whoever builds.
    chmodSync(target, mode);
    if (!path.startsWith("DEBIAN/")) installed.push(path);
  };
  const source = (path: string): string => readFileSync(join(root, path), "utf8");

  const program = "usr/bin/microedge";
  mkdirSync(join(tree, dirname(program)), { recursive: true });
  cpSync(join(out, `linux-${architecture}`, "microedge"), join(tree, program));
  chmodSync(join(tree, program), 0o755);
  installed.push(program);
  put("usr/lib/systemd/system/microedge.service", source("systemd/microedge.service"));
  put("usr/lib/sysusers.d/microedge.conf", source("systemd/microedge.sysusers.conf"));
  put(CONFIG, source("firmware-bundle/microedge.toml"));
  put("usr/share/doc/microedge/README.md", source("README.md"));
  put("usr/share/doc/microedge/copyright", copyright(root, out));

  const kibibytes = installed.reduce(
    (sum, path) => sum + Math.ceil(statSync(join(tree, path)).size / 1024),
    0,
  );
  put("DEBIAN/control", control(facts, architecture, kibibytes));
  put("DEBIAN/conffiles", `/${CONFIG}\n`);
  put("DEBIAN/md5sums", sums(tree, installed));
  put("DEBIAN/postinst", POSTINST, 0o755);
  put("DEBIAN/prerm", PRERM, 0o755);
  put("DEBIAN/postrm", POSTRM, 0o755);
  for (const folder of foldersOf(tree, [...installed, "DEBIAN/control"])) chmodSync(folder, 0o755);

  const target = join(out, debName(facts, architecture));
  rmSync(target, { force: true });
  // One thread: with several, xz cuts the data into blocks, by the number of cores.
  const pack = spawnSync(
    "dpkg-deb",
    ["--root-owner-group", "-Zxz", "-z1", "--threads-max=1", "--build", tree, target],
    { encoding: "utf8", env: { ...process.env, SOURCE_DATE_EPOCH: String(facts.epoch) } },
  );
  if (pack.status !== 0) throw new Error(`dpkg-deb failed: ${pack.stderr ?? pack.error?.message}`);
}

function control(facts: BuildFacts, architecture: Architecture, kibibytes: number): string {
  return `Package: microedge
Version: ${facts.version}
Architecture: ${DEBIAN_CPU[architecture]}
Maintainer: microedge maintainers <security@microedge.invalid>
Installed-Size: ${kibibytes}
Depends: libc6 (>= 2.28), libgcc-s1 | libgcc1, libstdc++6 (>= 7)
Recommends: systemd
Section: net
Priority: optional
Description: edge agent that speaks go-micro RPC over mutual TLS
 Lets go-micro services call a small Linux device, and the device call them, with
 certificates checked on both sides. One program, run by systemd in a sandbox.
 .
 Commit ${facts.commit}${facts.dirty ? ", with changes" : ""}.
`;
}

/** Our licence by reference, and the texts that the bundled packages and the runtime ask for. */
function copyright(root: string, out: string): string {
  const node = join(root, "node_modules", `node-linux-${process.arch}`, "LICENSE");
  const line = "-".repeat(78);
  return `microedge is licensed under the Apache License, version 2.0; on Debian systems its text is in
/usr/share/common-licenses/Apache-2.0.

${line}
${readFileSync(join(out, "THIRD-PARTY-NOTICES.txt"), "utf8")}
${line}
The program contains Node.js:

${readFileSync(node, "utf8")}`;
}

function sums(tree: string, files: readonly string[]): string {
  return [...files]
    .sort()
    .map((path) => {
      const digest = createHash("md5")
        .update(readFileSync(join(tree, path)))
        .digest("hex");
      return `${digest}  ${path}\n`;
    })
    .join("");
}

function foldersOf(tree: string, files: readonly string[]): Set<string> {
  const folders = new Set<string>([tree]);
  for (const file of files) {
    for (let at = dirname(file); at !== "."; at = dirname(at)) folders.add(join(tree, at));
  }
  return folders;
}

/** Also for image builds: without a running systemd, and into another root (DPKG_ROOT, dpkg(1)). */
const POSTINST = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers --root="\${DPKG_ROOT:-/}" microedge.conf
  fi
  if [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    if [ -n "$2" ]; then systemctl try-restart microedge.service; fi
  fi
fi
`;

const PRERM = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
  systemctl disable --now microedge.service
fi
`;

const POSTRM = `#!/bin/sh
set -e
if [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ "$1" = purge ]; then rm -rf "$DPKG_ROOT/var/lib/microedge"; fi
`;
