/**
 * Completes package-lock.json: `./scripts/node scripts/complete-lockfile.ts`, after every
 * `npm install` that changed it.
 *
 * npm drops a package for another platform from the lockfile when the registry that it asks does
 * not hold it, and then `npm ci` refuses the lockfile: on that registry and on every other. This
 * adds what is missing as an optional package of its platform, by its exact version. Such an entry has
 * no hash, because nobody here has seen the package; it is never installed on the platforms that
 * microedge runs on, for which the lockfile must hold hashes (checked below).
 */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

interface LockEntry {
  readonly version?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

const OS = /\b(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)\b/;
const CPU = /\b(arm64|arm|armv7|ia32|loong64|ppc64|riscv64|s390x|x64)\b/;

/** What a platform package is for, as its name says it, in npm's words. */
function platformOf(name: string): Pick<LockEntry, "os" | "cpu" | "libc"> {
  const [os, cpu] = [OS.exec(name)?.[1], CPU.exec(name)?.[1]];
  if (os === undefined || cpu === undefined) throw new Error(`${name} does not name a platform`);
  const musl = /musl/.test(name);
  const glibc = /gnu/.test(name);
  return {
    cpu: [cpu === "armv7" ? "arm" : cpu],
    ...(musl || glibc ? { libc: [musl ? "musl" : "glibc"] } : {}),
    os: [os],
  };
}

/** Whether the package would be installed where microedge is built: Linux with glibc, x64 or arm64. */
function isOurs({ os, cpu, libc }: Pick<LockEntry, "os" | "cpu" | "libc">): boolean {
  const allows = (list: string | readonly string[] | undefined, value: string): boolean =>
    list === undefined || list.includes(value);
  return (
    allows(os, "linux") && (allows(cpu, "x64") || allows(cpu, "arm64")) && allows(libc, "glibc")
  );
}

const file = resolve(import.meta.dirname, "..", "package-lock.json");
const lock = JSON.parse(readFileSync(file, "utf8"));
const packages: Record<string, LockEntry> = lock.packages;
const added: string[] = [];
for (const { dev, optionalDependencies = {} } of Object.values(packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const path = `node_modules/${name}`;
    if (packages[path] !== undefined) continue;
    const platform = platformOf(name);
    if (isOurs(platform)) throw new Error(`${name} is needed here but not in the lockfile`);
    packages[path] = {
      version,
      ...platform,
      ...(dev === true ? { dev } : {}),
      ...{ optional: true },
    };
    added.push(name);
  }
}
for (const [path, entry] of Object.entries(packages)) {
  if (path !== "" && entry.integrity === undefined && isOurs(entry)) {
    throw new Error(`${path} has no hash in the lockfile`);
  }
}
const [root, ...rest] = Object.entries(packages);
const sorted = rest.sort(([a], [b]) => a.localeCompare(b, "en"));
lock.packages = Object.fromEntries(root === undefined ? sorted : [root, ...sorted]);
if (added.length > 0) writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`);
console.log(
  added.length === 0 ? "lockfile is complete" : `added ${added.length}: ${added.join(", ")}`,
);
