import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { registerAgentService } from "#src/services/agent-service.ts";
import { registerDebugService } from "#src/services/debug-service.ts";
import { settle } from "../../fakes/fake-clock.ts";
import { MemoryServer, principal, type RawReply, request } from "../../fakes/memory-server.ts";

/** An agent that has been up for 90.5 s, on a clock that stood in 1970 when it started. */
async function agent(): Promise<MemoryServer> {
  const memory = new MemoryServer();
  registerAgentService(
    memory.table,
    { name: "microedge", version: "1.2.3", readyAtMs: 0 },
    memory.clock,
  );
  registerDebugService(memory.table, "microedge", {
    clock: memory.clock,
    figures: {
      anonymousBytes: () => undefined,
      majorFaults: () => 0,
      memoryLimitBytes: () => undefined,
      collectGarbage: () => undefined,
      residentBytes: () => 5_000_000,
      threads: () => 7,
      gcNs: () => 42,
      [Symbol.dispose]: () => undefined,
    },
    totals: memory.server.counters,
    readyAtMs: 0,
  });
  memory.clock.jump(-memory.clock.now());
  await memory.clock.advance(90_500);
  memory.clock.jump(Date.UTC(2026, 0, 1) - memory.clock.now());
  return memory;
}

async function ask(memory: MemoryServer, endpoint: string, body = ""): Promise<RawReply> {
  const peer = memory.connect(principal({ cn: "", spiffeId: "spiffe://site/pump" }));
  peer.send(request(endpoint, body, { Connection: "close" }));
  return await peer.reply();
}

suite("Agent", () => {
  test("Info names the agent, its endpoints and the caller", async () => {
    const { body } = await ask(await agent(), "Agent.Info", "{}");
    assert.deepEqual(JSON.parse(body), {
      name: "microedge",
      version: "1.2.3",
      uptime: "90",
      endpoints: [
        "microedge/Agent.Echo",
        "microedge/Agent.EchoStream",
        "microedge/Agent.Info",
        "microedge/Debug.Health",
        "microedge/Debug.Stats",
      ],
      peer: "spiffe://site/pump",
    });
  });

  test("EchoStream answers each message in order", async () => {
    const peer = (await agent()).connect();
    const headers = { "Micro-Stream": "1" };
    for (const seq of ["open", "1", "9007199254740993"]) {
      const body = seq === "open" ? "{}" : `{"seq":${seq}}`;
      peer.send(request("Agent.EchoStream", body, headers));
    }
    assert.equal(JSON.parse((await peer.reply()).body).seq, "1");
    assert.equal(JSON.parse((await peer.reply()).body).seq, "9007199254740993");
    peer.send(request("Agent.EchoStream", "", { ...headers, "Micro-Error": "EOS" }));
    assert.ok((await peer.reply()).eos);
  });

  test("every endpoint is a read, open to unverified peers that observe lets in", async () => {
    const memory = await agent();
    assert.deepEqual(
      memory.table.list().filter(({ endpoint }) => endpoint.kind !== "read"),
      [],
    );
  });
});

suite("Debug, in go-micro's shapes", () => {
  test("Health", async () => {
    const { body } = await ask(await agent(), "Debug.Health", '{"service":"any"}');
    assert.deepEqual(JSON.parse(body), { status: "ok" });
  });

  test("Stats counts calls, and starts by the clock of now", async () => {
    const memory = await agent();
    await ask(memory, "Agent.Nope");
    await ask(memory, "Agent.Echo");
    await settle();
    const now = Date.UTC(2026, 0, 1) / 1000;
    assert.deepEqual(JSON.parse((await ask(memory, "Debug.Stats")).body), {
      timestamp: String(now),
      started: String(now - 90),
      uptime: "90",
      memory: "5000000",
      threads: "7",
      gc: "42",
      requests: "3",
      errors: "1",
    });
  });

  for (const endpoint of ["Debug.Health", "Debug.Stats"]) {
    test(`${endpoint}: an unknown field is an error that names it`, async () => {
      const { error } = await ask(await agent(), endpoint, '{"servcie":"x"}');
      assert.equal(error?.code, 400);
      assert.match(error?.detail ?? "", /servcie/);
    });
  }
});
