import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { capacityOf, misfitWords } from "#src/agent/capacity.ts";

const MIB = 1024 * 1024;

interface Case {
  readonly why: string;
  readonly wished?: number;
  readonly configuredMib?: number;
  readonly groupMib?: number;
  readonly connections: number;
  readonly neededMib?: number;
}

const CASES: readonly Case[] = [
  { why: "no limit known", connections: 200 },
  { why: "64 MiB hold the default", configuredMib: 64, connections: 200 },
  { why: "a larger limit alone does not raise it", configuredMib: 512, connections: 200 },
  { why: "what fits, if that is fewer", configuredMib: 58, connections: 102 },
  { why: "the group's limit counts like the configured one", groupMib: 58, connections: 102 },
  { why: "the tighter of the two", configuredMib: 64, groupMib: 58, connections: 102 },
  {
    why: "the configured one where it is tighter",
    configuredMib: 58,
    groupMib: 64,
    connections: 102,
  },
  {
    why: "too small for anything: the least, and said",
    groupMib: 48,
    connections: 32,
    neededMib: 54,
  },
  { why: "an explicit number wins", wished: 50, groupMib: 64, connections: 50 },
  { why: "also where it does not fit", wished: 500, groupMib: 64, connections: 500, neededMib: 82 },
  { why: "any number fits without a limit", wished: 5000, connections: 5000 },
];

suite("capacity", () => {
  for (const { why, wished, configuredMib, groupMib, connections, neededMib } of CASES) {
    test(why, () => {
      const wishes = { maxConnections: wished, maxHandshakes: 4, memoryLimitMib: configuredMib };
      const capacity = capacityOf(wishes, groupMib === undefined ? undefined : groupMib * MIB);
      assert.equal(capacity.admission.maxConnections, connections);
      assert.equal(capacity.neededMib, neededMib);
      assert.equal(misfitWords(capacity) === undefined, neededMib === undefined);
    });
  }

  test("strangers get far fewer places than peers, and some are kept for local ones", () => {
    const wishes = { maxConnections: 200, maxHandshakes: 4, memoryLimitMib: 64 };
    const { admission } = capacityOf(wishes, undefined);
    assert.deepEqual(admission, {
      maxConnections: 200,
      maxHandshakes: 4,
      maxNewcomers: 64,
      reserved: 4,
    });
  });

  test("a handful of connections is not split further", () => {
    const wishes = { maxConnections: 3, maxHandshakes: 4, memoryLimitMib: undefined };
    const { admission } = capacityOf(wishes, undefined);
    assert.equal(admission.maxNewcomers, 3);
    assert.equal(admission.reserved, 0);
  });

  test("the misfit names what is asked, what it needs and what there is", () => {
    const wishes = { maxConnections: 500, maxHandshakes: 4, memoryLimitMib: 64 };
    assert.equal(
      misfitWords(capacityOf(wishes, undefined)),
      "500 connections need a memory limit of 82 MiB, and it is 64 MiB",
    );
  });
});
