/**
 * The Node.js that goes into a single executable: the version pinned in package.json, in the bytes
 * pinned by package-lock.json, for either CPU on either CPU.
 *
 * The package of a foreign CPU refuses to be installed, so it is fetched with `npm pack` and its
 * hash is compared with the lockfile's here, as `npm ci` does for the native one. It is kept
 * outside `dist` and `node_modules`, stripped, under a name that holds the hash.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { stripSymbols } from "./elf-strip.ts";

export const ARCHITECTURES = ["x64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

interface Pin {
  readonly version: string;
  /** Subresource-integrity string: "sha512-" and base64. */
  readonly integrity: string;
}

/** Path of the stripped `node` for `architecture`; fetched and stripped on first use. */
export function nodeRuntime(
  root: string,
  architecture: Architecture,
  log: (line: string) => void,
): string {
  const name = `node-linux-${architecture}`;
  const pin = pinOf(root, name);
  const hash = createHash("sha256").update(pin.integrity).digest("hex").slice(0, 16);
  const cache = join(root, "build", "cache");
  const stripped = join(cache, `${name}-${pin.version}-${hash}-stripped`);
  if (existsSync(stripped)) return stripped;

  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, "fetch-"));
  try {
    const installed = join(root, "node_modules", name, "bin", "node");
    const node = existsSync(installed) ? installed : fetchNode(name, pin, scratch, log);
    writeFileSync(join(scratch, "stripped"), stripSymbols(readFileSync(node)), { mode: 0o755 });
    renameSync(join(scratch, "stripped"), stripped);
  } finally {
    rmSync(scratch, { recursive: true });
  }
  return stripped;
}

function pinOf(root: string, name: string): Pin {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const entry = lock.packages?.[`node_modules/${name}`];
  if (typeof entry?.version !== "string" || !String(entry.integrity).startsWith("sha512-")) {
    throw new Error(`package-lock.json does not pin ${name} with a sha512 hash`);
  }
  return entry;
}

/** Downloads the package, checks it against `pin` and unpacks its `node` into `scratch`. */
function fetchNode(name: string, pin: Pin, scratch: string, log: (line: string) => void): string {
  log(`fetching ${name} ${pin.version} (about 50 MB, once)`);
  const pack = spawnSync(
    "npm",
    ["pack", `${name}@${pin.version}`, "--silent", "--pack-destination", scratch],
    {
      encoding: "utf8",
      maxBuffer: 64 << 20,
    },
  );
  const file = join(scratch, `${name}-${pin.version}.tgz`);
  if (pack.status !== 0 || !existsSync(file)) {
    throw new Error(
      `npm pack ${name}@${pin.version} failed: ${pack.stderr ?? pack.error?.message}`,
    );
  }
  const integrity = `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`;
  if (integrity !== pin.integrity) {
    throw new Error(
      `${name} ${pin.version} is not what package-lock.json pins: expected ${pin.integrity}, got ${integrity}`,
    );
  }
  const untar = spawnSync("tar", ["-xzf", file, "-C", scratch, "package/bin/node"], {
    encoding: "utf8",
  });
  if (untar.status !== 0) throw new Error(`cannot unpack ${name}: ${untar.stderr}`);
  return join(scratch, "package", "bin", "node");
}
