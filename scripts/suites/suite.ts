/**
 * Every suite, in the order in which they run: what is quick and most often wrong comes first, and
 * nothing that runs what was built comes before the build.
 */

export interface Suite {
  readonly name: string;
  /** What a failure would mean; a row of docs/test-suites.md. */
  readonly asks: string;
  /** Part of `npm run check`. */
  readonly quick: boolean;
  /** Test files for node:test, as glob patterns; `!` leaves out. */
  readonly files?: readonly string[];
  /** Commands that must succeed, before the files where there are both. */
  readonly commands?: readonly (readonly [string, ...string[]])[];
  /** How many test files may run at once. Default: as many as there are cores. */
  readonly concurrency?: number;
  /** Runs only where Go is installed; elsewhere it is left out, aloud. */
  readonly needsGo?: boolean;
  /** Runs only where root may install Debian packages, or has; elsewhere it is left out, aloud. */
  readonly needsScanners?: boolean;
}

const bin = (name: string): string => `node_modules/.bin/${name}`;
const node = process.execPath;
const colours = process.stdout.isTTY ? [] : ["--colors=off"];

/** Tests that run single executables, packages and the unit file. */
const PACKAGING = ["packaging", "single-executable", "arm64"].map(
  (name) => `test/e2e/${name}.test.ts`,
);

export const SUITES: readonly Suite[] = [
  {
    name: "format",
    asks: "Is the code formatted and free of what the linter knows?",
    quick: true,
    commands: [[node, bin("biome"), "ci", "--error-on-warnings", ...colours]],
  },
  {
    name: "types",
    asks: "Do the types hold?",
    quick: true,
    commands: [[node, bin("tsc")]],
  },
  {
    name: "unit",
    asks: "Is the logic right, and does every import point downwards?",
    quick: true,
    files: ["test/unit/**/*.test.ts"],
  },
  {
    name: "conformance",
    asks: "Are the bytes those of go-micro v4, v5 and v6?",
    quick: true,
    files: ["test/conformance/**/*.test.ts"],
  },
  {
    name: "fault",
    asks: "What if the peer, the network, the disk or the clock misbehaves?",
    quick: true,
    files: ["test/fault/**/*.test.ts"],
  },
  {
    name: "unused",
    asks: "Is every file, export and dependency used?",
    quick: true,
    commands: [[node, bin("knip"), "--no-progress"]],
  },
  {
    name: "docs",
    asks: "Are the generated pages those of this code?",
    quick: true,
    commands: [[node, "scripts/docs.ts", "--check"]],
  },
  {
    name: "build",
    asks: "Does it build for both CPUs, within the size budget?",
    quick: false,
    commands: [[node, "scripts/build.ts", "--deb"]],
  },
  {
    name: "e2e",
    asks: "Does the built program do what the manual says?",
    quick: false,
    files: ["test/e2e/**/*.test.ts", ...PACKAGING.map((file) => `!${file}`)],
  },
  {
    name: "interop",
    asks: "Do real go-micro v4 and v5 processes agree, in both directions?",
    quick: false,
    needsGo: true,
    commands: [["scripts/peers"]],
    files: ["test/interop/**/*.test.ts"],
    concurrency: 1,
  },
  {
    name: "flood",
    asks: "Does the built program stand a flood under a memory limit?",
    quick: false,
    needsGo: true,
    commands: [["scripts/peers"]],
    files: ["test/flood/**/*.test.ts"],
    concurrency: 1,
  },
  {
    name: "scanners",
    asks: "Do sslyze, testssl and slowhttptest find what they should, and nothing else?",
    quick: false,
    needsScanners: true,
    commands: [["scripts/scanners"]],
    files: ["test/scanners/**/*.test.ts"],
    concurrency: 1,
  },
  {
    name: "packaging",
    asks: "Do the single executables, the package and the systemd unit work, byte for byte again?",
    quick: false,
    files: PACKAGING,
    concurrency: 1,
  },
];
