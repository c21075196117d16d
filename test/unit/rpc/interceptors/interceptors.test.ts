import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError, isAgentError } from "#src/base/errors.ts";
import { type LogLevel, SILENT } from "#src/base/log.ts";
import { defaultPolicy } from "#src/guard/default-policy.ts";
import type { Call } from "#src/rpc/call.ts";
import { authorize } from "#src/rpc/interceptors/authorize.ts";
import { deadline } from "#src/rpc/interceptors/deadline.ts";
import { logCalls } from "#src/rpc/interceptors/log.ts";
import { interceptorsInOrder } from "#src/rpc/interceptors/order.ts";
import { rateLimit, unlimited } from "#src/rpc/interceptors/rate-limit.ts";
import { admit } from "#src/rpc/server/admission.ts";
import { FakeClock } from "../../../fakes/fake-clock.ts";
import { principal } from "../../../fakes/memory-server.ts";
import { RecordingLog } from "../../../fakes/recording-log.ts";

const DENIED = {
  allowed: false,
  code: "ERR_ACL_DENIED",
  reason: "no",
  rule: "none",
} as const;

function call(over: Partial<Call> = {}): Call {
  return {
    service: "microedge",
    endpoint: "A.B",
    kind: "read",
    stream: false,
    id: "",
    metadata: new Map(),
    replyMetadata: new Map(),
    peer: principal(),
    deadlineAt: undefined,
    signal: new AbortController().signal,
    log: new RecordingLog(),
    ...over,
  };
}

suite("the order of interceptors", () => {
  test("is log, deadline, rate limit, authorize", () => {
    const parts = {
      clock: new FakeClock(),
      log: SILENT,
      limiter: unlimited,
      policy: defaultPolicy,
    };
    assert.deepEqual(
      interceptorsInOrder(parts).map(({ name }) => name),
      ["log", "deadline", "rate-limit", "authorize"],
    );
  });

  test("the first refusal decides and the rest are not asked", () => {
    const asked: string[] = [];
    const limited = new AgentError("ERR_RATE_LIMITED", "slow down");
    const limiter = {
      admit: () => {
        asked.push("limiter");
        return limited;
      },
    };
    const policy = {
      standingOf: () => ({ roles: [], rules: [] }),
      decide: () => {
        asked.push("policy");
        return { ...DENIED };
      },
    };
    const verdict = admit(
      interceptorsInOrder({ clock: new FakeClock(), log: SILENT, limiter, policy }),
      call(),
    );
    assert.equal(verdict, limited);
    assert.deepEqual(asked, ["limiter"]);
  });

  test("those behind one that waits are asked when it has decided", async () => {
    const asked: string[] = [];
    const limiter = { admit: () => Promise.resolve(undefined) };
    const policy = {
      standingOf: () => ({ roles: [], rules: [] }),
      decide: () => {
        asked.push("policy");
        return { ...DENIED };
      },
    };
    const verdict = admit(
      interceptorsInOrder({ clock: new FakeClock(), log: SILENT, limiter, policy }),
      call(),
    );
    assert.deepEqual(asked, []);
    assert.ok(isAgentError(await verdict, "ERR_ACL_DENIED"));
    assert.deepEqual(asked, ["policy"]);
  });
});

suite("deadline", () => {
  for (const { at, refused, why } of [
    { at: undefined, refused: false, why: "no limit" },
    { at: 101, refused: false, why: "time left" },
    { at: 100, refused: true, why: "just over" },
    { at: 50, refused: true, why: "long over" },
  ]) {
    test(`${at}: ${why}`, async () => {
      const clock = new FakeClock();
      await clock.advance(100);
      const verdict = deadline(clock).before?.(call({ deadlineAt: at }));
      assert.equal(isAgentError(verdict, "ERR_RPC_DEADLINE"), refused);
    });
  }
});

suite("authorize", () => {
  test("turns a denial into ERR_ACL_DENIED with its reason", () => {
    const verdict = authorize(defaultPolicy, undefined).before?.(call({ kind: "write" }));
    assert.ok(isAgentError(verdict, "ERR_ACL_DENIED"));
    assert.equal(verdict.status, 403);
    assert.match(verdict.message, /write endpoint/);
  });
});

suite("rate limit", () => {
  test("unlimited lets everything pass", () =>
    assert.equal(rateLimit(unlimited).before?.(call()), undefined));
});

suite("log", () => {
  const outcome = {
    status: 403,
    code: "ERR_ACL_DENIED",
    durationMs: 1.23456,
    requestBytes: 10,
    replyBytes: 0,
  };
  for (const { level, lines } of [
    { level: "debug", lines: 1 },
    { level: "info", lines: 0 },
  ] as const satisfies readonly { level: LogLevel; lines: number }[]) {
    test(`at ${level}: ${lines} lines a call`, () => {
      const log = new RecordingLog(level);
      logCalls(log).after?.(call({ log, id: "7" }), outcome);
      assert.equal(log.lines.length, lines);
    });
  }

  test("a line has numbers and names, nothing of the body", () => {
    const log = new RecordingLog();
    logCalls(log).after?.(call({ log, id: "7" }), outcome);
    assert.deepEqual(log.of("rpc.call"), [
      {
        call_id: "7",
        stream: undefined,
        status: 403,
        code: "ERR_ACL_DENIED",
        duration_ms: 1.235,
        request_bytes: 10,
        reply_bytes: 0,
      },
    ]);
  });
});
