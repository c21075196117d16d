import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { ServiceNode } from "#src/registry/record.ts";
import { type NodeRest, NodeSelector, type SelectorStrategy } from "#src/registry/selector.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";

const node = (address: string): ServiceNode => ({ id: address, address, metadata: new Map() });
const [A, B, C] = [node("a:1"), node("b:1"), node("c:1")];

function make(strategy: SelectorStrategy, seed = 1) {
  const clock = new FakeClock();
  const rests: NodeRest[] = [];
  const selector = new NodeSelector(
    { strategy, restMs: 1000, maxRestMs: 8000, onRest: (rest) => rests.push(rest) },
    clock,
    new FakeRandom(seed),
  );
  return { clock, rests, selector };
}

/** Picks that are reported at once. */
function picks(selector: NodeSelector, nodes: readonly ServiceNode[], times: number): string[] {
  return Array.from({ length: times }, () => {
    const picked = selector.pick("s", nodes);
    selector.report(picked, "neutral");
    return picked.address;
  });
}

suite("NodeSelector", () => {
  test("round robin takes turns, by service", () => {
    const { selector } = make("round-robin");
    const order = [A, B, C].map(() => selector.pick("one", [A, B, C]).address);
    assert.deepEqual(order, ["a:1", "b:1", "c:1"]);
    assert.equal(selector.pick("two", [A, B, C]).address, "a:1");
    assert.equal(selector.pick("one", [A, B, C]).address, "a:1");
  });

  test("no node at all is an error that names the service", () => {
    const { selector } = make("random");
    assert.throws(() => selector.pick("greeter", []), {
      code: "ERR_REGISTRY_NOT_FOUND",
      message: /greeter/,
    });
  });

  test("a failed node rests, longer each time, and a success ends it", async () => {
    const { clock, rests, selector } = make("round-robin");
    for (const restMs of [1000, 2000, 4000, 8000, 8000]) {
      selector.report(A, "failed");
      assert.equal(rests.at(-1)?.restMs, restMs);
      await clock.advance(restMs - 1);
      assert.deepEqual(new Set(picks(selector, [A, B], 6)), new Set(["b:1"]), "still rests");
      await clock.advance(1);
    }
    assert.equal(rests.at(-1)?.failures, 5);
    selector.report(A, "good");
    assert.deepEqual(selector.resting(), []);
    selector.report(A, "failed");
    assert.equal(rests.at(-1)?.restMs, 1000, "starts small again");
  });

  test("calls that fail together count as one failure", () => {
    const { rests, selector } = make("random");
    for (let call = 0; call < 8; call += 1) selector.report(A, "failed");
    assert.deepEqual(rests, [{ address: "a:1", failures: 1, restMs: 1000 }]);
  });

  test("when its rest is over, one call at a time tries it", async () => {
    const { clock, selector } = make("round-robin");
    selector.report(A, "failed");
    await clock.advance(1000);
    const held = [
      selector.pick("s", [A, B]),
      selector.pick("s", [A, B]),
      selector.pick("s", [A, B]),
    ];
    assert.deepEqual(held.map((picked) => picked.address).sort(), ["a:1", "b:1", "b:1"]);
    selector.report(A, "neutral");
    assert.ok(
      picks(selector, [A, B], 2).includes("a:1"),
      "after an undecided trial the next may try",
    );
  });

  test("if all rest, the one whose rest ends first is tried", async () => {
    const { clock, selector } = make("random");
    selector.report(A, "failed");
    await clock.advance(10);
    selector.report(B, "failed");
    assert.deepEqual(picks(selector, [B, A], 3), ["a:1", "a:1", "a:1"]);
  });

  test("a retry avoids what it tried, while there is another", () => {
    const { selector } = make("random");
    for (let seed = 0; seed < 20; seed += 1) {
      assert.equal(selector.pick("s", [A, B], new Set(["a:1"])).address, "b:1");
    }
    assert.equal(selector.pick("s", [A], new Set(["a:1"])).address, "a:1");
  });

  test("remembers at most 1024 failed nodes", () => {
    const { selector } = make("random");
    for (let port = 1; port <= 2000; port += 1) selector.report(node(`h:${port}`), "failed");
    assert.equal(selector.resting().length, 1024);
    assert.equal(selector.resting().at(-1)?.address, "h:2000");
  });

  test("random is fair: no node of n gets less than half or more than twice its share", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 1 }), (count, seed) => {
        const nodes = Array.from({ length: count }, (_, index) => node(`n${index}:1`));
        const seen = new Map<string, number>();
        for (const address of picks(make("random", seed).selector, nodes, 400 * count)) {
          seen.set(address, (seen.get(address) ?? 0) + 1);
        }
        return nodes.every(({ address }) => {
          const times = seen.get(address) ?? 0;
          return times > 200 && times < 800;
        });
      }),
    );
  });

  test("whatever happens: a resting node is picked only if all rest, and bad names end", async () => {
    const step = fc.record({
      advanceMs: fc.integer({ min: 0, max: 3000 }),
      outcome: fc.constantFrom("good", "failed", "neutral"),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<SelectorStrategy>("random", "round-robin"),
        fc.array(step, { maxLength: 60 }),
        async (strategy, steps) => {
          const { clock, selector } = make(strategy);
          for (const { advanceMs, outcome } of steps) {
            await clock.advance(advanceMs);
            const rests = new Map(selector.resting().map((rest) => [rest.address, rest.restMs]));
            const picked = selector.pick("s", [A, B, C]);
            const allRest = [A, B, C].every(({ address }) => (rests.get(address) ?? 0) > 0);
            assert.ok(allRest || (rests.get(picked.address) ?? 0) === 0, picked.address);
            selector.report(picked, outcome as "good" | "failed" | "neutral");
          }
          for (const each of [A, B, C]) selector.report(each, "good");
          assert.deepEqual(selector.resting(), []);
        },
      ),
      { numRuns: 25 },
    );
  });
});
