import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { customLimits } from "#src/wire/codec/custom-limits.ts";

const MIB = 1 << 20;

suite("limits of a codec", () => {
  test("have defaults", () =>
    assert.deepEqual(customLimits(undefined, 4 * MIB), {
      maxBodyBytes: MIB,
      maxDepth: 32,
      maxStringLength: 65_536,
      maxArrayLength: 10_000,
      maxKeys: 1_000,
      minNumber: -Number.MAX_VALUE,
      maxNumber: Number.MAX_VALUE,
      maxMs: 250,
    }));

  test("are never above the agent's own", () => {
    const { maxBodyBytes, maxStringLength } = customLimits({}, 2_000);
    assert.deepEqual([maxBodyBytes, maxStringLength], [2_000, 2_000]);
  });

  for (const [name, most] of [
    ["maxBodyBytes", 4 * MIB],
    ["maxStringLength", 4 * MIB],
    ["maxDepth", 64],
    ["maxArrayLength", 25_000],
    ["maxKeys", 25_000],
    ["maxMs", 2_000],
  ] as const) {
    test(`${name}: 1 to ${most}, whole`, () => {
      for (const value of [1, most]) {
        assert.equal(customLimits({ [name]: value }, 4 * MIB)[name], value);
      }
      for (const value of [0, -1, most + 1, 1.5, Number.NaN, "7", null, 7n]) {
        assert.throws(() => customLimits({ [name]: value }, 4 * MIB), {
          code: "ERR_HANDLER_MODULE",
          message: `limits.${name} must be a whole number from 1 to ${most}`,
        });
      }
    });
  }

  for (const { why, limits, message } of [
    { why: "unknown", limits: { maxDeepness: 1 }, message: /no "maxDeepness": maxBodyBytes, / },
    { why: "misspelt", limits: { maxdept: 1 }, message: /did you mean maxDepth\?/ },
    { why: "inherited name", limits: { constructor: 1 }, message: /no "constructor"/ },
    { why: "no object", limits: 7, message: /limits is not an object/ },
    { why: "null", limits: null, message: /limits is not an object/ },
    { why: "no range", limits: { minNumber: 1, maxNumber: 0 }, message: /above maxNumber/ },
    { why: "infinite", limits: { maxNumber: Infinity }, message: /maxNumber must be a number/ },
  ]) {
    test(why, () =>
      assert.throws(() => customLimits(limits, MIB), { code: "ERR_HANDLER_MODULE", message }),
    );
  }
});
