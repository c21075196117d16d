/**
 * A whole agent whose memory limit is far below what this test process takes: as short of memory as
 * can be, from its first look on.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isRemoteError } from "#src/rpc/client/remote-error.ts";
import { callJson, makeGround } from "../fakes/running-agent.ts";

const SHORT = '[rpc]\nlisten = "127.0.0.1:0"\n[limits]\nmemory_limit_mib = 32\n';

suite("an agent short of memory", () => {
  test("sheds calls with 503, but not health checks, and says so", async () => {
    await using ground = await makeGround(SHORT);
    await using _agent = await ground.start();
    const said = await ground.event("memory.short");
    assert.equal(said["pressure"], "closing");
    assert.equal(said["limit_bytes"], 32 * 1024 * 1024);
    await assert.rejects(
      callJson(ground.admin, "microedge", "Agent.Echo", "{}"),
      (error) => isRemoteError(error, 503) && /short of memory/.test(error.message),
    );
    assert.match(await callJson(ground.admin, "microedge", "Debug.Health", "{}"), /ok/);
    const { memory, counters } = await ground.admin.status();
    assert.equal(memory.level, "closing");
    assert.ok(memory.anon > 32 * 1024 * 1024);
    assert.ok((counters["calls_refused:ERR_RPC_OVERLOADED"] ?? 0) > 0);
  });

  test("is told at its start which limit its connections need", async () => {
    await using ground = await makeGround(`${SHORT}max_connections = 500\n`);
    await using _agent = await ground.start();
    const { reason } = await ground.event("config.warning");
    assert.equal(reason, "500 connections need a memory limit of 82 MiB, and it is 32 MiB");
  });

  test("with a limit that holds it, nothing of this", async () => {
    await using ground = await makeGround(SHORT.replace("32", "4096"));
    await using _agent = await ground.start();
    assert.equal(await callJson(ground.admin, "microedge", "Agent.Echo", "{}"), "{}");
    assert.equal((await ground.admin.status()).memory.level, "calm");
    assert.ok(!ground.log.some(({ event }) => event.startsWith("memory.")));
  });
});
