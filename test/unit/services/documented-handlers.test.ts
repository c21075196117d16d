/** The modules and configurations that the pages show are loaded as a reader would. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { parseConfig } from "#src/agent/config.ts";
import { systemTimeBox } from "#src/host/time-box.ts";
import { loadHandlerModules } from "#src/services/handler-modules.ts";
import type { HandlerClient } from "#src/services/handler-sdk.ts";
import { MemoryServer, type RawPeer, request } from "../../fakes/memory-server.ts";

const BOX = { maxBodyBytes: 4 << 20, timeBox: systemTimeBox() };

const root = join(import.meta.dirname, "../../..");
const directory = mkdtempSync(join(tmpdir(), "documented-"));
after(() => rmSync(directory, { recursive: true }));

function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(root, page), "utf8");
  const pattern = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms");
  return [...text.matchAll(pattern)].map(([, block = ""]) => block);
}

/** Peer of a server that has the page's modules, all of them. */
async function peerOf(page: string, modules: number): Promise<RawPeer> {
  const sources = blocks(page, "js").filter((block) => block.startsWith("export "));
  assert.equal(sources.length, modules);
  const memory = new MemoryServer();
  const files = sources.map((source, index) => {
    const module = join(directory, `${page.replaceAll("/", "-")}-${index}.mjs`);
    writeFileSync(module, source);
    return { module, service: undefined };
  });
  const { table, log, clock } = memory;
  const client = {} as HandlerClient;
  const { signal } = new AbortController();
  await loadHandlerModules(files, {
    table,
    serviceName: "microedge",
    client,
    clock,
    log,
    signal,
    ...BOX,
  });
  return memory.connect();
}

suite("what the pages show", () => {
  for (const { page, modules, answer } of [
    { page: "README.md", modules: 1, answer: { greeting: "hello ann" } },
    { page: "docs/handlers.md", modules: 2, answer: { text: "Hello ann" } },
  ]) {
    test(`the modules of ${page} load and answer`, async () => {
      const peer = await peerOf(page, modules);
      peer.send(request("Greeter.Hello", '{"name":"ann"}'));
      assert.deepEqual(JSON.parse((await peer.reply()).body), answer);
    });
  }

  test("the configuration of README.md is good, also with its handler", () => {
    const [base = "", store = "", handler = "", ...more] = blocks("README.md", "toml");
    assert.deepEqual(more, []);
    const parse = (toml: string): ReturnType<typeof parseConfig> =>
      parseConfig(toml, "/etc/site/microedge.toml", {
        environment: {},
        root: false,
        nowMs: () => 0,
      });
    const { config, warnings } = parse(base + handler);
    assert.deepEqual(warnings, []);
    assert.equal(config.controlSocketPath, "/etc/site/control.sock");
    assert.deepEqual(
      config.handlers.map(({ module }) => module),
      ["/etc/site/greeter.mjs"],
    );
    // "in place of the [tls] section"
    const stored = parse(base.replace(/\[tls\][^[]*/, store) + handler);
    assert.deepEqual(
      [stored.config.store.dir, stored.config.tls.cert, stored.warnings],
      ["/etc/site/store", undefined, []],
    );
  });
});
