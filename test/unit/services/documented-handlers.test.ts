/** The modules and configurations that the pages show are loaded as a reader would. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { parseConfig } from "#src/agent/config.ts";
import { loadHandlerModules } from "#src/services/handler-modules.ts";
import type { HandlerClient } from "#src/services/handler-sdk.ts";
import { MemoryServer, request } from "../../fakes/memory-server.ts";

const root = join(import.meta.dirname, "../../..");
const directory = mkdtempSync(join(tmpdir(), "documented-"));
after(() => rmSync(directory, { recursive: true }));

function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(root, page), "utf8");
  const pattern = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms");
  return [...text.matchAll(pattern)].map(([, block = ""]) => block);
}

/** Answer of the first endpoint of the page's first whole module. */
async function answerOf(page: string, endpoint: string, body: string): Promise<unknown> {
  const source = blocks(page, "js").find((block) => block.startsWith("export "));
  assert.ok(source !== undefined, `${page} shows a module`);
  const module = join(directory, `${page.replaceAll("/", "-")}.mjs`);
  writeFileSync(module, source);
  const memory = new MemoryServer();
  const client = {} as HandlerClient;
  const { table, log } = memory;
  await loadHandlerModules([{ module, service: undefined }], {
    table,
    serviceName: "microedge",
    client,
    log,
  });
  const peer = memory.connect();
  peer.send(request(endpoint, body));
  const reply = await peer.reply();
  assert.equal(reply.error, undefined);
  return JSON.parse(reply.body);
}

suite("what the pages show", () => {
  for (const { page, text } of [
    { page: "README.md", text: { greeting: "hello ann" } },
    { page: "docs/handlers.md", text: { text: "Hello ann" } },
  ]) {
    test(`the module of ${page} answers`, async () => {
      assert.deepEqual(await answerOf(page, "Greeter.Hello", '{"name":"ann"}'), text);
    });
  }

  test("the configuration of README.md is good, also with its handler", () => {
    const toml = blocks("README.md", "toml");
    assert.equal(toml.length, 2);
    const { config, warnings } = parseConfig(toml.join(""), "/etc/site/microedge.toml", {
      environment: {},
      root: false,
      nowMs: () => 0,
    });
    assert.deepEqual(warnings, []);
    assert.equal(config.controlSocketPath, "/etc/site/control.sock");
    assert.deepEqual(
      config.handlers.map(({ module }) => module),
      ["/etc/site/greeter.mjs"],
    );
  });
});
