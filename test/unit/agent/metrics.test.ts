import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { suite, test } from "node:test";
import { MetricsPort } from "#src/agent/metrics.ts";
import type { MetricsPlace } from "#src/sidecar/metrics-server.ts";
import { STATUS } from "../../fakes/admin-operations.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { RecordingLog } from "../../fakes/recording-log.ts";

const FREE = { kind: "tcp", host: "127.0.0.1", port: 0 } as const satisfies MetricsPlace;

function rig() {
  const [clock, log] = [new FakeClock(), new RecordingLog()];
  const port = new MetricsPort({ clock, log, status: () => STATUS });
  const address = (): string => String(log.of("metrics.listening").at(-1)?.["address"]);
  const ask = async (): Promise<number> => (await fetch(`http://${address()}/metrics`)).status;
  return { clock, log, port, address, ask };
}

/** Somebody else's port. */
async function takenPort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const place: MetricsPlace = { ...FREE, port: (server.address() as AddressInfo).port };
  return { place, free: () => new Promise((done) => server.close(done)) };
}

suite("where metrics are served", () => {
  test("nowhere, until it is asked for: no timer, nothing said", async () => {
    const { port, clock, log } = rig();
    await port.apply(undefined);
    assert.deepEqual([clock.timers, log.lines], [0, []]);
    await port[Symbol.asyncDispose]();
  });

  test("the same address again is left alone, another one is taken, and none ends it", async () => {
    const { port, log, ask, address } = rig();
    await port.apply(FREE);
    const first = address();
    await port.apply({ ...FREE });
    assert.equal(log.lines.length, 1);
    assert.equal(await ask(), 200);
    await port.apply({ ...FREE, host: "::1" });
    assert.match(address(), /^\[::1\]:/);
    assert.equal(await ask(), 200);
    await assert.rejects(fetch(`http://${first}/metrics`));
    await port.apply(undefined);
    await assert.rejects(ask());
  });

  test("a taken address: said once, tried once a minute, taken when it is free", async () => {
    const { port, log, clock, ask } = rig();
    const { place, free } = await takenPort();
    await port.apply(place);
    assert.match(String(port.fault), /another program listens there/);
    await clock.advance(60_000);
    await port.apply(place);
    assert.equal(log.lines.length, 1, "the second failure is no news");
    assert.partialDeepStrictEqual(log.of("metrics.unavailable")[0], { code: "ERR_METRICS_LISTEN" });
    await free();
    assert.equal(clock.nextInMs, 60_000);
    await clock.advance(60_000);
    await port.apply(place);
    assert.equal(port.fault, undefined);
    assert.equal(await ask(), 200);
    assert.equal(clock.timers, 0);
    await port[Symbol.asyncDispose]();
  });

  test("what is given up is not tried again", async () => {
    const { port, clock, log } = rig();
    const { place, free } = await takenPort();
    await port.apply(place);
    await port.apply(undefined);
    await free();
    assert.deepEqual([clock.timers, port.fault], [0, undefined]);
    assert.equal(log.of("metrics.listening").length, 0);
  });

  test("stopping while it starts leaves nothing behind", async () => {
    const { port, log } = rig();
    const starting = port.apply(FREE);
    await port[Symbol.asyncDispose]();
    await starting;
    for (const { address } of log.of("metrics.listening") as { address?: string }[]) {
      await assert.rejects(fetch(`http://${address}/metrics`));
    }
    await port.apply(FREE);
    assert.ok(log.of("metrics.listening").length <= 1, "and nothing starts after the end");
  });
});
