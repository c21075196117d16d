/**
 * Builds what is shipped: `npm run build [-- OPTIONS]`.
 *
 *   (nothing)              bundle, launcher and both single executables into dist/
 *   --bundle-only          bundle and launcher only: seconds
 *   --deb                  Debian packages, too: about ten seconds each
 *   --out DIR              instead of dist/
 *   --verify-reproducible  builds everything twice, elsewhere, and compares the bytes
 *
 * Prints sizes; exits 1 when one is over its budget or two builds differ.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { bundle } from "./build/bundle.ts";
import { debName, makeDeb } from "./build/deb.ts";
import { type BuildFacts, buildFacts } from "./build/facts.ts";
import { launcher } from "./build/launcher.ts";
import { ARCHITECTURES } from "./build/node-runtime.ts";
import { makeBlob, makeExecutable } from "./build/single-executable.ts";
import { formatSizes, sizesOf } from "./build/size-budget.ts";

const root = resolve(import.meta.dirname, "..");
const log = (line: string): void => console.log(`build: ${line}`);

const { values: options } = parseArgs({
  options: {
    "bundle-only": { type: "boolean", default: false },
    deb: { type: "boolean", default: false },
    "verify-reproducible": { type: "boolean", default: false },
    out: { type: "string", default: join(root, "dist") },
  },
});

/** Builds into `out`; returns the files made, relative to it. */
async function build(out: string, facts: BuildFacts): Promise<string[]> {
  mkdirSync(out, { recursive: true });
  await bundle(root, out, facts);
  writeFileSync(join(out, "microedge"), launcher(), { mode: 0o755 });
  const files = ["microedge.cjs"];
  if (options["bundle-only"]) return files;

  mkdirSync(join(root, "build"), { recursive: true });
  const scratch = mkdtempSync(join(root, "build", "scratch-"));
  try {
    const blob = makeBlob(out, scratch);
    for (const architecture of ARCHITECTURES) {
      makeExecutable(root, out, scratch, blob, architecture, log);
      files.push(`linux-${architecture}/microedge`);
      if (options.deb) {
        makeDeb(root, out, scratch, facts, architecture);
        files.push(debName(facts, architecture));
      }
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  return files;
}

async function buildAndWeigh(facts: BuildFacts): Promise<boolean> {
  const files = await build(options.out, facts);
  const sizes = sizesOf(root, options.out, files);
  log(`microedge ${facts.version}, commit ${facts.commit}${facts.dirty ? " + changes" : ""}`);
  console.log(formatSizes(sizes));
  return sizes.every((row) => row.bytes <= row.budget);
}

async function verifyReproducible(facts: BuildFacts): Promise<boolean> {
  const folder = mkdtempSync(join(root, "build", "twice-"));
  try {
    const [first, second] = [join(folder, "first"), join(folder, "second", "deeper")];
    const files = await build(first, facts);
    await build(second, facts);
    const hash = (out: string, file: string): string =>
      createHash("sha256")
        .update(readFileSync(join(out, file)))
        .digest("hex");
    const same = [...files, "microedge.cjs.map", "microedge", "THIRD-PARTY-NOTICES.txt"].map(
      (file) => {
        const [a, b] = [hash(first, file), hash(second, file)];
        console.log(`  ${a === b ? "same  " : "DIFFER"} ${file} ${a}${a === b ? "" : ` ${b}`}`);
        return a === b;
      },
    );
    return same.every(Boolean);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const facts = buildFacts(root);
const good = options["verify-reproducible"]
  ? await verifyReproducible(facts)
  : await buildAndWeigh(facts);
process.exitCode = good ? 0 : 1;
