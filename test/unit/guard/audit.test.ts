import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { AclPolicy } from "#src/guard/acl-policy.ts";
import { AuditLog, WINDOW_MS } from "#src/guard/audit.ts";
import { defaultPolicy } from "#src/guard/default-policy.ts";
import type { EndpointKind } from "#src/guard/endpoint-kind.ts";
import type { Policy } from "#src/guard/policy.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { principal } from "../../fakes/memory-server.ts";
import { RecordingLog } from "../../fakes/recording-log.ts";

const POLICY = new AclPolicy({
  ownTrustDomain: undefined,
  trustDomains: [],
  peers: [{ cn: "backend", roles: ["all"] }],
  roles: [{ name: "all", allow: ["s/*"], kinds: ["read", "write", "admin"] }],
});
const BACKEND = principal({ cn: "backend", remote: "10.0.0.1:1000" });

function rig(policy: Policy = POLICY) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const audit = new AuditLog({ clock, log });
  const ask = (who = BACKEND, kind: EndpointKind = "read", service = "s", endpoint = "A.B") => {
    const target = { service, endpoint, kind };
    audit.note(who, target, policy.decide(who, target), (peer) => policy.standingOf(peer));
  };
  return { clock, log, audit, ask };
}

suite("audit log", () => {
  test("a denial says who, what, which rule and the outcome", () => {
    const { log, ask } = rig();
    ask(BACKEND, "write", "other", "A.Put");
    assert.deepEqual(log.of("audit.denied"), [
      {
        peer: "CN=backend",
        remote: "10.0.0.1:1000",
        fingerprint: undefined,
        verified: true,
        service: "other",
        endpoint: "A.Put",
        kind: "write",
        outcome: "denied",
        code: "ERR_ACL_DENIED",
        rule: "no role of the peer allows it",
        roles: ["all"],
        peer_rules: ['cn "backend"'],
        repeated: undefined,
      },
    ]);
  });

  test("what was allowed names the rule that decided", () => {
    const { log, ask } = rig();
    ask(BACKEND, "admin");
    const [line] = log.of("audit.allowed");
    assert.equal(line?.["rule"], 'role "all" allows s/* (read, write, admin)');
    assert.equal(line?.["outcome"], "allowed");
  });

  test("repeats are counted and told once per window, and none is lost", async () => {
    const { clock, log, ask } = rig();
    const stranger = principal({ cn: "stranger" });
    for (let at = 0; at < 1_000; at += 1) ask(stranger);
    assert.equal(log.lines.length, 1);
    await clock.advance(WINDOW_MS);
    assert.deepEqual(
      log.of("audit.denied").map((line) => line["repeated"]),
      [undefined, 999],
    );
    await clock.advance(10 * WINDOW_MS);
    assert.equal(log.lines.length, 2, "silence when nothing more came");
    ask(stranger);
    assert.equal(log.lines.length, 3, "and a new first is told at once");
  });

  test("reads that are allowed are told once per peer and endpoint, over connections", async () => {
    const { clock, log, audit, ask } = rig();
    for (const port of [1, 2, 3]) {
      const again = principal({ cn: "backend", remote: `10.0.0.1:${port}` });
      for (let at = 0; at < 5; at += 1) ask(again);
      await clock.advance(2 * WINDOW_MS);
    }
    assert.equal(log.of("audit.allowed").length, 1);
    ask(BACKEND, "read", "s", "A.Other");
    assert.equal(log.of("audit.allowed").length, 2);
    audit.policyChanged();
    ask();
    assert.equal(log.of("audit.allowed").length, 3, "a new policy is told of again");
  });

  test("writes that are allowed are told, with counts", async () => {
    const { clock, log, ask } = rig();
    for (let at = 0; at < 4; at += 1) ask(BACKEND, "write");
    await clock.advance(WINDOW_MS);
    assert.deepEqual(
      log.of("audit.allowed").map((line) => line["repeated"]),
      [undefined, 3],
    );
  });

  test("without rules only denials are told", () => {
    const { log, ask } = rig(defaultPolicy);
    ask(BACKEND, "read");
    ask(BACKEND, "write");
    assert.deepEqual(
      log.lines.map(({ event }) => event),
      ["audit.denied"],
    );
  });

  test("one peer can't fill the log, nor can many; what is over is counted", async () => {
    const { clock, log, audit, ask } = rig();
    for (let at = 0; at < 200; at += 1) ask(BACKEND, "write", "s", `A.N${at}`);
    assert.ok(log.lines.length <= 20, `one peer wrote ${log.lines.length} lines`);
    ask(principal({ cn: "stranger", remote: "10.0.0.2:1" }));
    assert.equal(log.of("audit.denied").length, 1, "another peer is still heard");
    for (let at = 0; at < 5_000; at += 1) {
      ask(principal({ cn: `c${at}`, remote: `10.1.${at >> 8}.${at & 255}:1` }));
    }
    assert.ok(log.lines.length <= 100, `${log.lines.length} lines in one window`);
    for (let window = 0; window < 5; window += 1) {
      const before = log.lines.length;
      await clock.advance(WINDOW_MS);
      assert.ok(log.lines.length - before <= 101);
    }
    audit[Symbol.dispose]();
    assert.equal(told(log), 5_201);
    assert.ok(log.of("audit.omitted").length >= 1);
  });

  test("certificates that anybody can make don't make many peers of one address", () => {
    const { log, ask } = rig();
    for (let at = 0; at < 50; at += 1) {
      const fingerprint = String(at).padStart(64, "0");
      const certificate = {
        subject: "",
        issuer: "",
        notBefore: 0,
        notAfter: 0,
        serial: "",
        fingerprint,
      };
      ask(principal({ verified: false, certificate, remote: `10.0.0.9:${at}` }));
    }
    assert.equal(log.lines.length, 1);
  });

  test("every decision that is not a read is told in the end", () => {
    const step = fc.record({
      cn: fc.constantFrom("backend", "a", "b"),
      kind: fc.constantFrom("write" as const, "admin" as const),
      endpoint: fc.constantFrom("A.B", "A.C"),
      waitMs: fc.constantFrom(0, 1, WINDOW_MS / 2, WINDOW_MS, 3 * WINDOW_MS),
    });
    return fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, log, audit, ask } = rig();
        for (const { cn, kind, endpoint, waitMs } of steps) {
          ask(principal({ cn, remote: `${cn}:1` }), kind, "s", endpoint);
          await clock.advance(waitMs);
        }
        audit[Symbol.dispose]();
        assert.equal(told(log), steps.length);
      }),
    );
  });
});

/** Decisions that the lines account for. */
function told(log: RecordingLog): number {
  return log.lines.reduce((sum, { fields }) => {
    const { repeated = 1, decisions } = fields;
    return sum + Number(decisions ?? repeated);
  }, 0);
}
