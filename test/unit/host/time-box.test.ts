import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemTimeBox, TimeBoxOver } from "#src/host/time-box.ts";

const LONG_MS = 10_000;

suite("a time box", () => {
  const box = systemTimeBox();

  test("answers what the work returns, from its own realm", () => {
    const array = box(LONG_MS, () => [1, 2]);
    assert.equal(Object.getPrototypeOf(array), Array.prototype);
    assert.deepEqual(array, [1, 2]);
    assert.equal(
      box(LONG_MS, () => undefined),
      undefined,
    );
  });

  for (const thrown of [new TypeError("mine"), "text", undefined, null]) {
    test(`throws what the work throws: ${String(thrown)}`, () => {
      try {
        box(LONG_MS, () => {
          throw thrown;
        });
        assert.fail("nothing was thrown");
      } catch (caught) {
        assert.equal(caught, thrown);
      }
    });
  }

  const endless: readonly { why: string; work: () => unknown }[] = [
    {
      why: "a loop",
      work: () => {
        for (;;);
      },
    },
    {
      why: "a loop that catches everything, and one more in finally",
      work: () => {
        try {
          for (;;);
        } catch {
          return 1;
        } finally {
          for (;;);
        }
      },
    },
    { why: "a regular expression", work: () => /^(a+)+$/.test(`${"a".repeat(50)}b`) },
    {
      why: "a getter",
      work: () =>
        ({
          get x() {
            for (;;);
          },
        }).x,
    },
    { why: "a box inside the box", work: () => box(LONG_MS, () => box(10, () => endlessly())) },
  ];
  for (const { why, work } of endless) {
    test(`ends ${why}, and works on`, () => {
      assert.throws(() => box(10, work), TimeBoxOver);
      assert.equal(
        box(LONG_MS, () => 7),
        7,
      );
    });
  }

  test("ends code that overflows the stack like any that throws", () => {
    const deep = (): number => deep() + 1;
    assert.throws(() => box(LONG_MS, deep), RangeError);
  });
});

function endlessly(): never {
  for (;;);
}
