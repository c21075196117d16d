/**
 * The agent as a whole: wholly up or wholly down, patient about addresses, finished with its calls
 * before it ends.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { suite, test } from "node:test";
import { pathToFileURL } from "node:url";
import { isAgentError } from "#src/base/errors.ts";
import { systemClock } from "#src/host/clock.ts";
import { callJson, type Ground, makeGround } from "../fakes/running-agent.ts";

/** Sockets that this process listens on; anything left behind shows here. */
function listening(): number {
  const kinds = new Set(["TCPServerWrap", "PipeServerWrap"]);
  return process.getActiveResourcesInfo().filter((kind) => kinds.has(kind)).length;
}

async function occupy(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address !== "string");
  return { server, port: address.port };
}

async function accepts(listen: string): Promise<boolean> {
  const port = Number(listen.slice(listen.lastIndexOf(":") + 1));
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** An endpoint that answers when the test says so; `waiting` tells how many calls it holds. */
const SLOW = `
const held = [];
export const waiting = () => held.length;
export const release = () => { for (const answer of held.splice(0)) answer({ done: true }); };
export function register(sdk) {
  sdk.unary("Slow.Wait", {
    kind: "read",
    request: sdk.schema.object({}),
    response: sdk.schema.object({ done: sdk.schema.boolean() }),
    handle: () => new Promise((resolve) => { held.push(resolve); }),
  });
}
`;

interface Slow {
  waiting(): number;
  release(): void;
}

async function slowGround(rpc = ""): Promise<{ ground: Ground; slow: Slow }> {
  const ground = await makeGround(
    `[rpc]\nlisten = "127.0.0.1:0"\n${rpc}\n[[handlers]]\nmodule = "slow.mjs"\n`,
  );
  const module = await ground.site.write("slow.mjs", SLOW);
  return { ground, slow: (await import(pathToFileURL(module).href)) as Slow };
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let turns = 0; turns < 2_000; turns += 1) {
    if (holds()) return;
    await systemClock.sleep(2);
  }
  assert.fail(`never: ${what}`);
}

suite("starting", () => {
  test("serves, says so once, and tells systemd", async () => {
    await using ground = await makeGround();
    await using agent = await ground.start();
    assert.match(agent.listen ?? "", /^127\.0\.0\.1:\d+$/);
    const ready = ground.log.filter(({ event }) => event === "agent.ready");
    assert.deepEqual(
      ready.map(({ listen }) => listen),
      [agent.listen],
    );
    assert.deepEqual(ground.told, [`ready serving on ${agent.listen}`]);
    const reply = await callJson(
      ground.admin,
      "microedge",
      "Agent.Echo",
      '{"seq":"9007199254740993"}',
    );
    assert.match(reply, /"seq":"9007199254740993"/);
  });

  test("agent.ready is written even when only errors are", async () => {
    await using ground = await makeGround(
      '[log]\nlevel = "error"\n[rpc]\nlisten = "127.0.0.1:0"\n',
    );
    await using agent = await ground.start();
    assert.equal(agent.state, "ready");
    assert.deepEqual(
      ground.log.map(({ event }) => event),
      ["agent.ready"],
    );
  });

  const failures = [
    {
      why: "the address is in use",
      code: "ERR_LISTEN",
      async spoil(ground: Ground) {
        const { server, port } = await occupy();
        await ground.configure(`[rpc]\nlisten = "127.0.0.1:${port}"\n`);
        return () => server.close();
      },
    },
    {
      why: "a handler module fails",
      code: "ERR_HANDLER_MODULE",
      async spoil(ground: Ground) {
        await ground.site.write("bad.mjs", "export function register() { throw new Error('x'); }");
        await ground.configure('[rpc]\nlisten = "127.0.0.1:0"\n[[handlers]]\nmodule = "bad.mjs"\n');
      },
    },
    {
      why: "the certificate is missing",
      code: "ERR_TLS_MATERIAL",
      spoil: (ground: Ground) => rm(`${ground.site.directory}/microedge.crt`),
    },
    {
      why: "the key belongs to another certificate",
      code: "ERR_TLS_MATERIAL",
      async spoil(ground: Ground) {
        const other = await ground.site.pki.issue("other");
        await ground.site.write("microedge.key", other.keyPem);
      },
    },
    {
      why: "something that is not a socket is where the control socket goes",
      code: "ERR_FILE_EXISTS",
      spoil: (ground: Ground) => ground.site.write("control.sock", "precious"),
    },
  ];
  for (const { why, code, spoil } of failures) {
    test(`${why}: nothing is left running`, async () => {
      await using ground = await makeGround();
      const undo = await spoil(ground);
      const before = listening();
      await assert.rejects(ground.start(), { code });
      assert.equal(listening(), before);
      const socketLeft = existsSync(ground.controlPath);
      assert.equal(socketLeft, code === "ERR_FILE_EXISTS", "no control socket is left behind");
      assert.deepEqual(
        ground.log.filter(({ event }) => event === "agent.ready"),
        [],
      );
      if (typeof undo === "function") undo();
    });
  }

  test("a second agent on the same control socket gives way and harms nothing", async () => {
    await using ground = await makeGround();
    await using agent = await ground.start();
    await assert.rejects(ground.start(), { code: "ERR_CONTROL_SOCKET" });
    assert.equal((await ground.admin.status()).listener.listen, agent.listen);
  });

  test("an address that is not there yet is waited for, and shown", async () => {
    // TEST-NET-1 (RFC 5737) is no address of any machine
    await using ground = await makeGround('[rpc]\nlisten = "192.0.2.1:0"\n');
    await using agent = await ground.start();
    assert.equal(agent.state, "waiting");
    const { state, listener } = await ground.admin.status();
    assert.equal(state, "waiting");
    assert.equal(listener.listen, undefined);
    assert.match(listener.waitingFor ?? "", /192\.0\.2\.1 is not an address of this machine/);
    assert.match(ground.told[0] ?? "", /^ready waiting: 192\.0\.2\.1/);
    await assert.rejects(
      callJson(ground.admin, "microedge", "Agent.Echo", "{}"),
      (error) => isAgentError(error, "ERR_RPC_CONNECT") && /does not listen/.test(error.message),
    );
  });

  test("insecure switches are said loudly, at start and in status", async () => {
    await using ground = await makeGround(
      '[rpc]\nlisten = "127.0.0.1:0"\ninsecure_plaintext = true\n',
    );
    await using agent = await ground.start();
    assert.equal(agent.state, "ready");
    assert.equal((await ground.event("agent.insecure")).level, "error");
    const { tls, warnings } = await ground.admin.status();
    assert.equal(tls.verify, "plaintext");
    assert.match(warnings[0] ?? "", /^INSECURE: no TLS/);
    assert.equal(
      await callJson(ground.admin, "microedge", "Agent.Echo", '{"text":"a"}'),
      '{"text":"a"}',
    );
  });
});

suite("stopping", () => {
  test("takes no more, finishes what is open, answers status meanwhile", async () => {
    const { ground, slow } = await slowGround();
    await using _ = ground;
    await using agent = await ground.start();
    const listen = agent.listen ?? "";
    const call = callJson(ground.admin, "microedge", "Slow.Wait", "{}");
    await until(() => slow.waiting() === 1, "the call arrives");
    const stopped = agent.stop();
    await until(() => agent.state === "draining", "draining");
    assert.equal((await ground.admin.status()).state, "draining");
    await until(() => agent.listen === undefined, "the listener is gone");
    assert.equal(await accepts(listen), false);
    slow.release();
    assert.equal(await call, '{"done":true}');
    await stopped;
    assert.equal(existsSync(ground.controlPath), false);
    const events = ground.log.map(({ event }) => event);
    assert.deepEqual(events.slice(-1), ["agent.stopped"]);
    assert.equal(ground.told.at(-1), "stopping finishing open calls");
  });

  test("a call that never ends is cut off after rpc.drain_timeout_ms", async () => {
    const { ground, slow } = await slowGround("drain_timeout_ms = 200");
    await using _ = ground;
    await using agent = await ground.start();
    const call = callJson(ground.admin, "microedge", "Slow.Wait", "{}", 60_000);
    const failed = assert.rejects(call, (error) => isAgentError(error));
    await until(() => slow.waiting() === 1, "the call arrives");
    const from = performance.now();
    await agent.stop();
    const tookMs = performance.now() - from;
    assert.ok(tookMs >= 190 && tookMs < 5_000, `${tookMs} ms`);
    await failed;
  });

  test("so is a call of the command line to a service that never answers", async () => {
    const { server, port } = await occupy();
    await using ground = await makeGround(
      `[rpc]\nlisten = "127.0.0.1:0"\ndrain_timeout_ms = 200\n[client]\nconnect_timeout_ms = 60000\n[[registry.static]]\nservice = "mute"\naddresses = ["127.0.0.1:${port}"]\n`,
    );
    await using agent = await ground.start();
    const connected = once(server, "connection");
    const call = callJson(ground.admin, "mute", "A.B", "{}", 60_000);
    const failed = assert.rejects(call, (error) => isAgentError(error));
    const [peer] = (await connected) as [Socket];
    const from = performance.now();
    await agent.stop();
    const tookMs = performance.now() - from;
    assert.ok(tookMs >= 190 && tookMs < 5_000, `${tookMs} ms`);
    await failed;
    peer.destroy();
    server.close();
  });

  test("may be asked for twice, and leaves nothing behind", async () => {
    const before = listening();
    await using ground = await makeGround();
    const agent = await ground.start();
    await Promise.all([agent.stop(), agent.stop()]);
    await agent[Symbol.asyncDispose]();
    assert.equal(listening(), before);
    assert.equal(ground.log.filter(({ event }) => event === "agent.stopped").length, 1);
  });
});
