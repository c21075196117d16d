import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemClock } from "#src/host/clock.ts";
import { CountedNetwork } from "#src/transport/counted-network.ts";
import { NameLookup } from "#src/transport/name-lookup.ts";
import { reach } from "#src/transport/reach.ts";
import { FakeNetwork } from "../../fakes/network-proxy.ts";

async function go(network: CountedNetwork, host: string): Promise<void> {
  const parts = {
    ...{ network, clock: systemClock, proxy: undefined, onStep: () => undefined },
    lookup: new NameLookup({ network, clock: systemClock, timeoutMs: 1_000 }),
  };
  await assert.rejects(reach({ host, port: 9 }, parts, new AbortController().signal));
}

suite("the network that counts", () => {
  test("every connection and every name that can't be resolved, early ones too", async () => {
    const fake = new FakeNetwork();
    fake.names.set("peer.example", ["127.0.0.1"]);
    const network = new CountedNetwork(fake);
    await go(network, "127.0.0.1");
    const told: string[] = [];
    let spent = 0;
    network.countBy({
      spend: () => {
        spent += 1;
      },
      reached: (host) => void told.push(`reached ${host}`),
      missed: (host) => void told.push(`missed ${host}`),
    });
    assert.equal(spent, 1, "what was opened before anybody counted");
    await go(network, "nowhere.example");
    assert.equal(spent, 2, "no address");
    await go(network, "peer.example");
    assert.equal(spent, 3);
    await go(network, "localhost");
    await go(network, "127.0.0.1");
    assert.deepEqual(
      told,
      ["missed nowhere.example", "missed peer.example"],
      "loopback says nothing",
    );
    network.outcome("peer.example", true);
    assert.deepEqual(told.at(-1), "reached peer.example");
  });
});
