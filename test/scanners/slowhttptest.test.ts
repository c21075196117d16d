/**
 * slowhttptest holds connections open with headers and bodies that never end. It knows no client
 * certificate: stunnel shows one for it.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { after, before, suite, test } from "node:test";
import type { AgentProcess } from "../fakes/agent-process.ts";
import { Child, run } from "../fakes/child.ts";
import { startScanned, WITHOUT_SCANNERS } from "./port.ts";

const CONNECTIONS = 40;
const SECONDS = 12;

interface Second {
  readonly closed: number;
  readonly connected: number;
}

suite("slowhttptest", { skip: WITHOUT_SCANNERS }, () => {
  let agent: AgentProcess;
  before(async () => {
    agent = await startScanned();
  });
  after(() => agent.stop());

  /** What it saw, second by second; the last row is when it had no connection left, or time was up. */
  const attack = async (name: string, url: string, ...flags: string[]): Promise<Second[]> => {
    const out = `${agent.site.directory}/${name}`;
    const many = ["-c", String(CONNECTIONS), "-r", String(CONNECTIONS), "-l", String(SECONDS)];
    await run(
      ["slowhttptest", ...many, "-i", "1", "-p", "3", "-g", "-o", out, "-u", url, ...flags],
      { timeoutMs: 60_000 },
    );
    const [, ...rows] = readFileSync(`${out}.csv`, "utf8").trim().split("\n");
    return rows.map((row) => {
      const [, closed = 0, , connected = 0] = row.split(",").map(Number);
      return { closed, connected };
    });
  };

  /** All of them are gone before the attack itself ends. */
  const allGone = (rows: readonly Second[]): void => {
    assert.ok(rows.length > 1 && rows.length < SECONDS, JSON.stringify(rows));
  };

  test("a stranger's connections are closed without a request being read", async () => {
    allGone(await attack("stranger", `https://${agent.listen}/`, "-H"));
    const refused = await agent.event("peer.refused");
    assert.equal(refused["cause"], "no-certificate");
  });

  for (const [what, flag] of [
    ["headers", "-H"],
    ["bodies", "-B"],
  ] as const) {
    test(`a peer's slow ${what} are cut off in time, and others are served meanwhile`, async () => {
      await using tunnel = await startTunnel(agent);
      const attacking = attack(what, `http://${tunnel.address}/`, flag);
      const call = await agent.microedge("call", "microedge", "Agent.Echo", '{"text":"still"}');
      assert.equal(call.code, 0, call.stderr);
      allGone(await attacking);
      const refused = await agent.event("rpc.message.refused");
      assert.match(JSON.stringify(refused), /ERR_WIRE_TIMEOUT/);
    });
  }
});

interface Tunnel extends AsyncDisposable {
  readonly address: string;
}

async function startTunnel(agent: AgentProcess): Promise<Tunnel> {
  const { cert, key, ca } = await agent.site.issue("tunnel");
  const address = `127.0.0.1:${await freePort()}`;
  const settings = await agent.site.write(
    "stunnel.conf",
    `foreground = yes\npid =\n[agent]\nclient = yes\naccept = ${address}\nconnect = ${agent.listen}\ncert = ${cert}\nkey = ${key}\nCAfile = ${ca}\nverifyChain = yes\n`,
  );
  const child = new Child(["stunnel4", settings]);
  await child.waitFor("configuration", (line) => /Configuration successful/.exec(line)?.[0]);
  return { address, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
}

/** Free a moment ago; stunnel can't tell which port it took. */
function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer().listen(0, "127.0.0.1", () => {
    const bound = server.address();
    server.close(() =>
      bound === null || typeof bound === "string"
        ? reject(new Error("no port"))
        : resolve(bound.port),
    );
  });
  return promise;
}
