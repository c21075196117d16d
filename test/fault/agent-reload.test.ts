/**
 * Reload: a new configuration takes effect as a whole or not at all, and the same for TLS files.
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { suite, test } from "node:test";
import { ConfigError } from "#src/agent/config-problem.ts";
import { isAgentError } from "#src/base/errors.ts";
import { callJson, makeGround } from "../fakes/running-agent.ts";

const RPC = '[rpc]\nlisten = "127.0.0.1:0"\n';
const NODE = '[[registry.static]]\nservice = "greeter"\naddresses = ["127.0.0.1:1"]\n';

suite("reload", () => {
  test("live keys take effect, others wait for a restart and say so", async () => {
    await using ground = await makeGround(RPC);
    await using agent = await ground.start();
    await ground.configure(`${RPC}max_streams = 5\n[log]\nlevel = "warn"\n${NODE}`);
    assert.deepEqual(await ground.admin.reload(), {
      applied: ["log.level", "registry.static"],
      needRestart: ["rpc.max_streams"],
    });
    assert.deepEqual(
      (await ground.admin.services()).map(({ name, source }) => `${name} ${source}`),
      ["microedge local", "greeter static"],
    );
    const values = new Map((await ground.admin.config()).values.map((each) => [each.key, each]));
    assert.equal(values.get("log.level")?.value, "warn");
    assert.equal(values.get("rpc.max_streams")?.value, 64);
    assert.equal((await ground.event("config.restart.needed"))["key"], "rpc.max_streams");
    assert.match((await ground.admin.status()).warnings.join(), /wait for a restart: rpc\.max_str/);
    assert.deepEqual(ground.told, [
      `ready serving on ${agent.listen}`,
      "reloading",
      `ready serving on ${agent.listen}`,
    ]);
    // level "warn" keeps config.reloaded out: the new level was in force when it came
    assert.deepEqual(
      ground.log.filter(({ event }) => event === "config.reloaded"),
      [],
    );
  });

  test("a bad configuration is refused whole, with all its problems; the old stays in force", async () => {
    await using ground = await makeGround(`${RPC}${NODE}`);
    await using agent = await ground.start();
    await ground.configure(`${RPC}max_streams = 0\nlisen = 1\n[log]\nlevel = "warn"\n`);
    await assert.rejects(agent.reload(), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(
        error.problems.map(({ key }) => key),
        ["rpc.max_streams", "rpc.lisen"],
      );
      return true;
    });
    const refused = await ground.event("config.reload.refused");
    assert.equal((refused["problems"] as string[]).length, 2);
    const values = new Map((await ground.admin.config()).values.map((each) => [each.key, each]));
    assert.equal(values.get("log.level")?.value, "info", "also the part that was right");
    assert.equal((await ground.admin.services()).length, 2);
    assert.match(
      (await ground.admin.status()).warnings[0] ?? "",
      /last reload was refused: 2 prob/,
    );
    await assert.rejects(ground.admin.reload(), { code: "ERR_CONFIG_INVALID" });

    await ground.configure(RPC);
    assert.deepEqual((await agent.reload()).applied, ["registry.static"]);
    assert.deepEqual((await ground.admin.status()).warnings, []);
  });

  test("a file that is gone, or is not TOML, is refused as well", async () => {
    await using ground = await makeGround(RPC);
    await using agent = await ground.start();
    await rm(ground.configPath);
    await assert.rejects(agent.reload(), { code: "ERR_CONFIG_UNREADABLE" });
    await ground.site.write("microedge.toml", "[rpc");
    await assert.rejects(agent.reload(), { code: "ERR_CONFIG_INVALID" });
    assert.equal(await callJson(ground.admin, "microedge", "Agent.Echo", "{}"), "{}");
  });

  test("new TLS files are taken; bad ones are refused and the old serve on", async () => {
    await using ground = await makeGround(`${RPC}[client]\npool_size = 1\n`);
    await using agent = await ground.start();
    const serial = async (): Promise<string | undefined> =>
      (await ground.admin.status()).tls.certificate?.serial;
    const first = await serial();
    await ground.site.issue("microedge");
    await agent.reload();
    const second = await serial();
    assert.notEqual(second, first);

    await ground.site.write("microedge.crt", "not a certificate");
    await assert.rejects(
      agent.reload(),
      (error) => isAgentError(error, "ERR_TLS_MATERIAL") && /refused/.test(error.message),
    );
    assert.equal(await serial(), second);
    assert.notEqual((await ground.admin.status()).tls.refused, undefined);
    assert.equal(await callJson(ground.admin, "microedge", "Agent.Echo", "{}"), "{}");
  });

  test("reloads come one after another", async () => {
    await using ground = await makeGround(RPC);
    await using agent = await ground.start();
    const first = agent.reload();
    await Promise.all([first, agent.reload(), agent.reload()]);
    assert.deepEqual(
      ground.told.slice(1).map((text) => text.split(" ")[0]),
      ["reloading", "ready", "reloading", "ready", "reloading", "ready"],
    );
  });
});
