import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { formatQueue, queueWords } from "#src/cli/queue/format.ts";
import type { QueueEntryView } from "#src/sidecar/queue-operations.ts";
import { FakeOutput } from "../../../fakes/terminal.ts";

const NOW = Date.UTC(2026, 5, 1);
const ENTRY: QueueEntryView = {
  ...{ id: "renew-7", kind: "renew", generation: 7, state: "waiting", step: "request" },
  ...{ object: "key/renewal-7", attempts: 3, nextAttemptAt: NOW + 600_000 },
  ...{ heldBy: null, heldUntil: null },
  ...{ lastError: "ERR_RPC_OVERLOADED: the CA is busy", createdAt: NOW },
};
const text = (
  entries: readonly QueueEntryView[],
  durable = true,
  healed: readonly string[] = [],
): string =>
  formatQueue({ entries, durable, fault: durable ? null : "EROFS", healed }, new FakeOutput(), NOW);

suite("the queue as text", () => {
  test("an empty one says so", () => assert.equal(text([]), "the queue is empty"));

  test("each entry a line", () => {
    const ended: QueueEntryView = {
      ...{ ...ENTRY, id: "trust-2", kind: "trust", state: "done", step: null },
      ...{ nextAttemptAt: null },
    };
    const running: QueueEntryView = { ...ENTRY, id: "report-1", state: "running" };
    const due: QueueEntryView = { ...ENTRY, id: "install-9", nextAttemptAt: NOW };
    const lines = text([ENTRY, ended, running, due]).split("\n");
    assert.equal(lines.length, 5);
    assert.match(
      lines[1] ?? "",
      /^renew-7 +waiting +request +3 +in 10 minutes \(2026-06-01T00:10:00Z\) +ERR_RPC_OVERLOADED: the CA is busy$/,
    );
    assert.match(lines[2] ?? "", /^trust-2 +done +- +3 +- +-$/);
    assert.match(lines[3] ?? "", / under way /);
    assert.match(lines[4] ?? "", / due /);
  });

  const HOLDS: readonly {
    readonly why: string;
    readonly entry: Partial<QueueEntryView>;
    readonly says: RegExp;
  }[] = [
    {
      why: "until when, and why",
      entry: { nextAttemptAt: NOW, heldBy: "power-up", heldUntil: NOW + 40_000 },
      says: / in 40 seconds \(2026-06-01T00:00:40Z\): after power-up /,
    },
    {
      why: "longer than its own pause",
      entry: { heldBy: "refused", heldUntil: NOW + 3_600_000 },
      says: / in 1 hour \(2026-06-01T01:00:00Z\): refused, /,
    },
    {
      why: "nobody knows until when",
      entry: { nextAttemptAt: NOW - 1, heldBy: "no-agent" },
      says: / due: when the agent runs /,
    },
    {
      why: "a certificate that counts later",
      entry: { kind: "install", heldBy: "early", heldUntil: NOW + 39 * 86_400_000 },
      says: / in 39 days \(2026-07-10T00:00:00Z\): its time has not come /,
    },
    {
      why: "reports are sent in order",
      entry: { kind: "report", nextAttemptAt: NOW, heldBy: "early" },
      says: / due: older reports come first /,
    },
    {
      why: "its own pause is what it waits for",
      entry: { heldBy: "no-agent" },
      says: / in 10 minutes \(2026-06-01T00:10:00Z\) +ERR/,
    },
  ];
  for (const { why, entry, says } of HOLDS) {
    test(`what holds an entry back: ${why}`, () =>
      assert.match(text([{ ...ENTRY, ...entry }]), says));
  }

  test("that it lives in memory only is said", () =>
    assert.match(text([], false), /^in memory only: EROFS$/m));

  test("that entries were lost to damage is said, also when none is left", () =>
    assert.match(
      text([], true, ["damaged in both halves"]),
      /^the queue is empty\nrepaired: damaged in both halves$/,
    ));

  test("in one line", () => {
    const view = {
      ...{ waiting: 2, running: 1, failed: 0, durable: false, fault: "EROFS", healed: [] },
      ...{ byKind: [], oldestWaitingMs: null },
      attempts: { begun: 9, succeeded: 4, failed: 5, connections: 12 },
      wear: { bytesWritten: 0, syncs: 0, operations: 0 },
    };
    assert.equal(
      queueWords(view),
      "2 waiting, 1 running, 0 failed for good, IN MEMORY ONLY; 9 attempts, 5 failed",
    );
  });
});
