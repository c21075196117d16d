import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AddressLimits, type AddressRates } from "#src/guard/address-limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";

function make(rates: Partial<AddressRates>, trackedAddresses = 1000) {
  const clock = new FakeClock();
  const off = { perAddress: undefined, failedHandshakes: undefined };
  const parts = { trackedAddresses, clock, random: new FakeRandom(3) };
  return { clock, limits: new AddressLimits(parts, { ...off, ...rates }) };
}

const PER_ADDRESS = { rate: 10, burst: 3, waitMs: 0 };
const FAILED = { rate: 1, burst: 2, waitMs: 0 };

suite("AddressLimits", () => {
  test("an address connects as often as it may, others are not concerned", async () => {
    const { clock, limits } = make({ perAddress: PER_ADDRESS });
    const dial = (address: string) => limits.admit(address, true);
    const burst = [1, 2, 3, 4].map(() => dial("192.0.2.1"));
    assert.deepEqual(burst, [undefined, undefined, undefined, "address-rate"]);
    assert.equal(dial("192.0.2.2"), undefined);
    assert.equal(dial("::ffff:192.0.2.1"), "address-rate", "the same address, mapped");
    await clock.advance(100);
    assert.equal(dial("192.0.2.1"), undefined, "one more 100 ms later");
    assert.equal(dial("192.0.2.1"), "address-rate");
  });

  test("a whole /64 is one address", () => {
    const { limits } = make({ perAddress: PER_ADDRESS });
    const verdicts = Array.from({ length: 50 }, (_, index) =>
      limits.admit(`2001:db8::${index}`, true),
    );
    assert.equal(verdicts.filter((verdict) => verdict === undefined).length, 3);
    assert.equal(limits.admit("2001:db8:0:1::1", true), undefined);
  });

  test("handshakes may fail so often, then the address is turned away; good ones cost nothing", async () => {
    const { clock, limits } = make({ failedHandshakes: FAILED });
    for (let good = 0; good < 1000; good++)
      assert.equal(limits.admit("192.0.2.1", true), undefined);
    limits.failed("192.0.2.1");
    assert.equal(limits.admit("192.0.2.1", true), undefined, "one failure is left");
    limits.failed("192.0.2.1");
    assert.equal(limits.admit("192.0.2.1", true), "failed-handshakes");
    assert.equal(limits.admit("192.0.2.2", true), undefined);
    await clock.advance(1000);
    assert.equal(limits.admit("192.0.2.1", true), undefined, "a second later there is one more");
  });

  test("beyond its failures an address comes last: when nobody shakes hands, and then seldom", async () => {
    const { clock, limits } = make({ failedHandshakes: FAILED });
    for (const address of ["192.0.2.1", "192.0.2.9"])
      for (let at = 0; at < 2; at++) limits.failed(address);
    assert.equal(limits.admit("192.0.2.1", true), "failed-handshakes", "somebody else is at it");
    assert.equal(limits.admit("192.0.2.1", false), undefined, "nobody is");
    assert.equal(limits.admit("192.0.2.1", false), "failed-handshakes", "but not twice at once");
    assert.equal(limits.admit("192.0.2.9", false), "failed-handshakes", "nor another such address");
    assert.equal(limits.admit("192.0.2.2", true), undefined, "others are not concerned");
    await clock.advance(50);
    assert.equal(limits.admit("192.0.2.9", false), undefined);
    assert.equal(limits.tables()[0]?.refused, 3, "each refusal is counted");
  });

  test("failures of many that were let in together make no debt", async () => {
    const { clock, limits } = make({ failedHandshakes: FAILED });
    for (let at = 0; at < 500; at++) limits.failed("192.0.2.1");
    await clock.advance(1000);
    assert.equal(limits.admit("192.0.2.1", true), undefined);
  });

  test("a jump of the wall clock changes nothing", () => {
    const { clock, limits } = make({ perAddress: PER_ADDRESS });
    for (let at = 0; at < 3; at++) limits.admit("192.0.2.1", true);
    for (const jump of [86_400_000, -2 * 86_400_000]) {
      clock.jump(jump);
      assert.equal(limits.admit("192.0.2.1", true), "address-rate");
    }
  });

  test("a storm of addresses does not fail open", () => {
    const { limits } = make({ failedHandshakes: FAILED }, 100);
    let admitted = 0;
    for (let at = 0; at < 10_000; at++) {
      const address = `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`;
      if (limits.admit(address, true) !== undefined) continue;
      admitted++;
      limits.failed(address);
    }
    // one failure leaves a bucket in use: as many as there are places, and the overflow bucket's two
    assert.ok(admitted < 100 * 1.5 + 8 + 3, `${admitted} of 10,000`);
    assert.ok((limits.tables()[0]?.evictions ?? 0) > 9000);
  });

  test("new rates hold at once, and what was spent stays spent", async () => {
    const { clock, limits } = make({ perAddress: PER_ADDRESS });
    for (let at = 0; at < 3; at++) limits.admit("192.0.2.1", true);
    limits.apply({ perAddress: { rate: 1, burst: 2, waitMs: 0 }, failedHandshakes: FAILED });
    assert.equal(
      limits.admit("192.0.2.1", true),
      undefined,
      "of 300 ms spent, one call of a second is left",
    );
    assert.equal(limits.admit("192.0.2.1", true), "address-rate");
    await clock.advance(1300);
    assert.equal(limits.admit("192.0.2.1", true), undefined);
    limits.apply({ perAddress: undefined, failedHandshakes: undefined });
    for (let at = 0; at < 9; at++) assert.equal(limits.admit("192.0.2.1", true), undefined);
    assert.deepEqual(limits.tables(), []);
  });

  test("counts", () => {
    const { limits } = make({ perAddress: PER_ADDRESS, failedHandshakes: FAILED });
    for (let at = 0; at < 5; at++) limits.admit("192.0.2.1", true);
    const [perAddress, failed] = limits.tables();
    const { name, capacity, used, evictions, refused, bytes } = perAddress ?? {};
    assert.deepEqual(
      { name, capacity, used, evictions, refused },
      { name: "per_address", capacity: 1000, used: 1, evictions: 0, refused: 2 },
    );
    assert.ok(bytes !== undefined && bytes >= 18_000 && bytes < 18_200);
    assert.deepEqual([failed?.name, failed?.used], ["failed_handshakes", 0]);
  });

  test("a table that has more than it is stated to hold says that it is full", () => {
    const { limits } = make({ perAddress: { ...PER_ADDRESS, rate: 0.01 } });
    for (let host = 0; host < 4000; host++) {
      limits.admit(`10.0.${host >> 8}.${host & 255}`, true);
    }
    const [perAddress] = limits.tables();
    assert.deepEqual([perAddress?.used, perAddress?.capacity], [1000, 1000]);
    assert.ok((perAddress?.evictions ?? 0) > 1000, "the others share a bucket, and are counted");
  });
});
