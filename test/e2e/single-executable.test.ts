/** The single executable of this machine's CPU: one file that serves, with its memory flags. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, BUNDLE, EXECUTABLE, startAgent } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";
import { makeSite, type Site } from "../fakes/site.ts";

const EXAMPLE = resolve(import.meta.dirname, "../../docs/examples/greeter.mjs");

/** A handler module that tells what it runs in. */
const INSIDE = `
import { getHeapStatistics } from "node:v8";
export function register(sdk) {
  const { schema } = sdk;
  sdk.unary("Inside.Look", {
    kind: "read",
    request: schema.object({}),
    response: schema.object({
      flags: schema.array(schema.string()), heapMiB: schema.number(), node: schema.string(),
      arenas: schema.string(),
    }),
    handle: () => ({
      flags: process.execArgv, heapMiB: getHeapStatistics().heap_size_limit / 1048576,
      node: process.version, arenas: process.env.MALLOC_ARENA_MAX ?? "",
    }),
  });
}
`;

for (const { name, program, arenas } of [
  { name: "single executable", program: EXECUTABLE, arenas: "" },
  { name: "bundle behind its launcher", program: BUNDLE, arenas: "1" },
]) {
  suite(name, () => {
    let site: Site;
    let agent: AgentProcess;
    before(async () => {
      site = await makeSite();
      const inside = await site.write("inside.mjs", INSIDE);
      agent = await startAgent({
        site,
        program: [program],
        config: `[[handlers]]\nmodule = "${EXAMPLE}"\nservice = "greeter"
[[handlers]]\nmodule = "${inside}"\n`,
      });
    });
    after(async () => {
      await agent.stop();
      await site[Symbol.asyncDispose]();
    });

    test("says which build it is", async () => {
      const { code, stdout } = await run([program, "version", "--json"]);
      assert.equal(code, 0);
      const { commit, version } = JSON.parse(stdout);
      // "(changed)" follows where the checkout was not clean.
      const [hash = ""] = String(commit).split(" ");
      const known = await run(["git", "cat-file", "-t", hash]);
      assert.equal(known.stdout, "commit", `${hash} is a commit of this repository`);
      assert.match(version, /^\d+\.\d+\.\d+/);
    });

    test("runs with the memory flags of the project, on the pinned Node.js", async () => {
      const { code, stdout, stderr } = await agent.microedge(
        ...["call", "microedge", "Inside.Look", "{}"],
      );
      assert.equal(code, 0, stderr);
      const seen = JSON.parse(stdout);
      assert.deepEqual(seen.flags, [
        "--max-semi-space-size=1",
        "--v8-pool-size=0",
        "--single-threaded",
        "--optimize-for-size",
        "--max-old-space-size=24",
        "--no-maglev",
        "--no-sparkplug",
      ]);
      assert.ok(seen.heapMiB < 32, `${seen.heapMiB} MiB`);
      assert.equal(seen.node, "v24.21.0");
      assert.equal(seen.arenas, arenas, "the executable's come from the unit");
    });

    test("serves a service developer's handler module over mutual TLS", async () => {
      const { code, stdout, stderr } = await agent.microedge(
        ...["call", "greeter", "Greeter.Hello", '{"name":"ann"}', "--address", agent.listen],
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /ann/);
    });

    test("stops on SIGTERM with exit code 0", async () => {
      const ended = await agent.child.stop();
      assert.equal(ended.code, 0, ended.stderr);
      assert.match(ended.stdout, /"event":"agent\.stopped"/);
    });
  });
}

suite("the launcher", () => {
  test("refuses a Node.js that is too old, and says what to do", async () => {
    await using site = await makeSite();
    await site.write("node", "#!/bin/sh\necho 20\n");
    await run(["chmod", "755", `${site.directory}/node`]);
    // Without the checkout's own runtime beside it.
    await run(["cp", BUNDLE, `${site.directory}/microedge`]);
    await run(["mkdir", `${site.directory}/bin`]);
    await run(["mv", `${site.directory}/node`, `${site.directory}/bin/node`]);
    const found = { PATH: `${site.directory}/bin:/usr/bin:/bin`, MICROEDGE_NODE: "" };
    const named = { MICROEDGE_NODE: `${site.directory}/bin/node` };
    for (const env of [found, named]) {
      const { code, stderr } = await run([`${site.directory}/microedge`, "version"], { env });
      assert.equal(code, 127);
      assert.match(stderr, /Node\.js 20.*needs 24.*MICROEDGE_NODE/);
    }
    const { code, stderr } = await run([`${site.directory}/microedge`, "version"], {
      env: { MICROEDGE_NODE: "/bin/true" },
    });
    assert.deepEqual([code, /not a Node\.js that runs here/.test(stderr)], [127, true], stderr);
  });
});
