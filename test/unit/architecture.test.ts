/**
 * The architecture is a test: rooms on floors, imports downwards only, the clock, timers and
 * randomness only through `host/`. It sees relative imports, `#src/` imports, dynamic imports and
 * type-only imports alike.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, posix } from "node:path";
import { suite, test } from "node:test";

/** Rooms, ground floor first. A file imports from its own room and from lower floors, nothing else. */
const FLOORS = [
  ["base"],
  ["host", "wire"],
  ["identity", "queue", "guard", "registry", "firmware"],
  ["transport"],
  ["rpc", "rotation", "issuers"],
  ["services", "mqtt", "sidecar"],
  ["agent"],
  ["cli"],
];
const floorOf = new Map(FLOORS.flatMap((rooms, floor) => rooms.map((room) => [room, floor])));
const MAX_LINES = 400;

/** What a room other than `host/` may not do by itself, and how it is written. */
const FORBIDDEN: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: "reads the real clock", pattern: /\bDate\.now\b|\bperformance\.now\b|\bhrtime\b/ },
  { what: "makes a Date of now", pattern: /\bnew Date\b(?!\s*\(\s*[^)\s])|(?<!new )\bDate\(/ },
  {
    what: "draws its own randomness",
    pattern: /\bMath\.random\b|\brandom(?:Bytes|Int|UUID)\b|\bgetRandomValues\b/,
  },
  {
    what: "sets its own timer",
    pattern:
      /(?<![.\w])(?:globalThis\.)?set(?:Timeout|Interval|Immediate)\s*\(|\bAbortSignal\.timeout\b|"(?:node:)?timers(?:\/promises)?"/,
  },
];
/** A connection that is opened elsewhere would know neither proxy nor budget. */
const OPENS_CONNECTION = /\bnetwork\s*\.\s*connect\(|\bconnect(?:Tcp)?\(\s*\{[^}]*\bhost:/;
/** Where connections are opened, and counted on the way. */
const CONNECTION_FILES = new Set(["src/transport/reach.ts", "src/transport/counted-network.ts"]);
/** Rooms that may touch the process itself (arguments, exit code, environment). */
const PROCESS_ROOMS = new Set(["host", "cli"]);
const MODULE_STATE = /^(?:export )?(?:let|var) /m;
const BANNED_NAMES =
  /(?:^|[-/])(?:manager|helper|helpers|util|utils|common|misc|data|info)(?:[-.]|$)/;

const files = globSync("src/**/*.ts").filter((file) => !file.endsWith("_pb.ts"));
const roomOf = (path: string): string => path.split("/")[1] ?? "";

function importsOf(source: string): string[] {
  return [...source.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'`]([^"'`]+)["'`]/g)].map(
    (match) => match[1] ?? "",
  );
}

/** The path below the repository that an import names; `undefined` for packages. */
function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return posix.join(dirname(file), specifier);
  if (specifier.startsWith("#src/")) return specifier.slice(1);
  return undefined;
}

/** Why `from` may not import `to`; `undefined` if it may. */
function violation(from: string, to: string): string | undefined {
  if (!to.startsWith("src/")) return `${to} is outside src`;
  const [here, there] = [floorOf.get(roomOf(from)), floorOf.get(roomOf(to))];
  if (here === undefined) return `room ${roomOf(from)} is not on the plan`;
  if (there === undefined) return `room ${roomOf(to)} is not on the plan`;
  if (roomOf(from) === roomOf(to) || there < here) return undefined;
  return `${roomOf(from)} is not above ${roomOf(to)}`;
}

/** Leaves strings alone, in which the signs of a comment may stand. */
function withoutComments(source: string): string {
  const pieces =
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;
  return source.replace(pieces, (_, text: string | undefined) => text ?? "");
}

suite("architecture", () => {
  test("there is something to check", () => assert.ok(files.length > 5));

  for (const file of files) {
    const source = readFileSync(file, "utf8");
    const code = withoutComments(source);
    test(`${file}: ${MAX_LINES} lines at most`, () =>
      assert.ok(source.trimEnd().split("\n").length <= MAX_LINES));
    test(`${file}: imports downwards only`, () => {
      for (const specifier of importsOf(code)) {
        const target = targetOf(file, specifier);
        if (target !== undefined) assert.equal(violation(file, target), undefined, specifier);
      }
    });
    test(`${file}: its room is on the plan`, () => assert.ok(floorOf.has(roomOf(file))));
    test(`${file}: has a name that says what it holds`, () =>
      assert.doesNotMatch(file, BANNED_NAMES));
    if (roomOf(file) !== "host") {
      for (const { what, pattern } of FORBIDDEN) {
        test(`${file}: never ${what}`, () => assert.doesNotMatch(code, pattern));
      }
    }
    if (roomOf(file) !== "host" && !CONNECTION_FILES.has(file)) {
      test(`${file}: opens no connection by itself`, () =>
        assert.doesNotMatch(code, OPENS_CONNECTION));
    }
    if (!PROCESS_ROOMS.has(roomOf(file))) {
      test(`${file}: leaves the process alone`, () =>
        assert.doesNotMatch(code, /\bprocess\.(?:exit|env|argv|on|once)\b|"(?:node:)?process"/));
    }
    test(`${file}: keeps no module-level mutable state`, () =>
      assert.doesNotMatch(code, MODULE_STATE));
  }
});

suite("the architecture test itself catches", () => {
  const upward = 'import type { Agent } from "#src/agent/agent.ts";';
  test("an upward type-only #src import", () => {
    const [specifier = ""] = importsOf(upward);
    assert.equal(
      violation("src/wire/a.ts", targetOf("src/wire/a.ts", specifier) ?? ""),
      "wire is not above agent",
    );
  });
  test("a sideways relative import", () =>
    assert.equal(violation("src/host/a.ts", "src/wire/b.ts"), "host is not above wire"));
  test("an upward dynamic import", () => {
    const [specifier = ""] = importsOf('await import("../cli/main.ts")');
    assert.equal(targetOf("src/rpc/a.ts", specifier), "src/cli/main.ts");
  });
  for (const [planted, index] of [
    ["const a = Date.now();", 0],
    ["const a = new Date();", 1],
    ["const a = new Date;", 1],
    ["const a = Date();", 1],
    ["const a = Math.random();", 2],
    ["import { randomBytes } from 'node:crypto';", 2],
    ["crypto.randomUUID();", 2],
    ["setTimeout(run, 5);", 3],
    ["globalThis.setTimeout(run, 5);", 3],
    ["setImmediate(run);", 3],
    ['import { setTimeout as delay } from "timers";', 3],
    ['const hidden = "a // b"; setInterval(run, 5);', 3],
    ['const hidden = "a/*"; setInterval(run, 5); const end = "*/";', 3],
    ["const s = AbortSignal.timeout(5);", 3],
    ['import { setTimeout } from "node:timers/promises";', 3],
  ] as const) {
    test(planted, () =>
      assert.match(withoutComments(planted), FORBIDDEN[index]?.pattern ?? /(?!)/),
    );
  }
  test("a connection that is opened beside the one way", () =>
    assert.match("const socket = this.#options.network.connect(address, port);", OPENS_CONNECTION));
  test("state that is exported", () => assert.match("export let calls = 0;", MODULE_STATE));
  test("but lets a Date of a number pass", () =>
    assert.doesNotMatch("new Date(5)", FORBIDDEN[1]?.pattern ?? /./));
  test("and what stands in a comment", () =>
    assert.doesNotMatch(
      withoutComments("/* Date.now() */ a; // Date.now()"),
      FORBIDDEN[0]?.pattern ?? /./,
    ));
});
