/**
 * The bundle: everything below `src/cli/main.ts` and its packages in one minified CommonJS file
 * with an external source map. CommonJS, because single executables take nothing else.
 *
 * `import()` of a bundled package stays lazy (esbuild wraps the module and evaluates it on first
 * use); `import()` of a computed path, which loads a user's handler module, stays a real `import()`.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build, type Metafile } from "esbuild";
import type { BuildFacts } from "./facts.ts";

const ENTRY = "src/cli/main.ts";
/** Packages too big to be evaluated at every start: reached by `import()` only. */
const LAZY = ["pkijs", "asn1js"];

/** Writes `microedge.cjs`, its map and the notices of the bundled packages into `out`. */
export async function bundle(root: string, out: string, facts: BuildFacts): Promise<void> {
  const { version, commit, dirty, date } = facts;
  const result = await build({
    absWorkingDir: root,
    entryPoints: [ENTRY],
    // Paths in the source map are relative to this, wherever the files go, so that builds compare.
    outfile: join(root, "dist", "microedge.cjs"),
    write: false,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node24",
    minify: true,
    sourcemap: "linked",
    legalComments: "none",
    // One character beyond Latin-1 would have V8 keep the whole text at two bytes a character.
    charset: "ascii",
    metafile: true,
    logLevel: "warning",
    define: { MICROEDGE_BUILD: JSON.stringify({ version, commit, dirty, date }) },
  });
  assertLazy(result.metafile);
  for (const { path, contents } of result.outputFiles) {
    writeFileSync(join(out, basename(path)), contents);
  }
  writeFileSync(
    join(out, "THIRD-PARTY-NOTICES.txt"),
    notices(root, packagesOf(Object.keys(result.metafile.inputs))),
  );
}

/** @throws Error naming the chain when a lazy package would be evaluated at start. */
function assertLazy(meta: Metafile): void {
  const reachedFrom = new Map<string, string>([[ENTRY, ""]]);
  for (const file of reachedFrom.keys()) {
    for (const { path, kind, external } of meta.inputs[file]?.imports ?? []) {
      if (external !== true && kind !== "dynamic-import" && !reachedFrom.has(path)) {
        reachedFrom.set(path, file);
      }
    }
  }
  for (const file of reachedFrom.keys()) {
    const eager = LAZY.find((name) => file.startsWith(`node_modules/${name}/`));
    if (eager !== undefined) {
      throw new Error(
        `${eager} would be loaded at every start, by ${reachedFrom.get(file)}: use import()`,
      );
    }
  }
}

function packagesOf(inputs: readonly string[]): string[] {
  const names = inputs.map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

/** Licences of the bundled packages, which ask that their text goes where their code goes. */
function notices(root: string, packages: readonly string[]): string {
  const parts = packages.map((name) => {
    const folder = join(root, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const [file] = globSync("LICEN[CS]E*", { cwd: folder }).sort();
    const text = file === undefined ? "" : readFileSync(join(folder, file), "utf8").trim();
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  return ["microedge contains these packages, under these licences:\n", ...parts].join(
    `\n${"-".repeat(78)}\n`,
  );
}
