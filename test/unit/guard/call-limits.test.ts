import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import type { Principal } from "#src/base/principal.ts";
import {
  CallLimits,
  type CallLimitsParts,
  type CallRates,
  type LimitedCall,
} from "#src/guard/call-limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";
import { principal } from "../../fakes/memory-server.ts";
import { RecordingLog } from "../../fakes/recording-log.ts";

const NONE: CallRates = {
  perPeer: undefined,
  agent: undefined,
  perEndpoint: [],
  perPeerEndpoint: [],
  maxCalls: 1000,
  maxCallsPerPeer: 0,
};

const CERTIFICATE = {
  subject: "CN=x",
  issuer: "CN=ca",
  notBefore: 0,
  notAfter: 1,
  serial: "01",
  fingerprint: "ab".repeat(32),
};

function peer(name: string, over: Partial<Principal> = {}): Principal {
  return principal({ spiffeId: `spiffe://site/${name}`, certificate: CERTIFICATE, ...over });
}

class Rig {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly limits: CallLimits;

  constructor(rates: Partial<CallRates>, trackedPeers = 100, allows?: CallLimitsParts["allows"]) {
    const parts = {
      clock: this.clock,
      random: new FakeRandom(5),
      trackedPeers,
      ...(allows === undefined ? {} : { allows }),
    };
    this.limits = new CallLimits(parts, { ...NONE, ...rates });
  }

  call(from: Principal, over: Partial<LimitedCall> = {}): LimitedCall {
    return {
      service: "s",
      endpoint: "A.B",
      kind: "read",
      peer: from,
      deadlineAt: undefined,
      signal: new AbortController().signal,
      log: this.log,
      ...over,
    };
  }

  /** One call, over at once: `ok`, the limit that refuses it, or `waits`. */
  ask(from: Principal, over: Partial<LimitedCall> = {}): string {
    const call = this.call(from, over);
    const verdict = this.limits.admit(call);
    this.limits.finished(call);
    return verdict instanceof Promise ? "waits" : said(verdict);
  }

  table(name: string) {
    const found = this.limits.view().tables.find((table) => table.name === name);
    assert.ok(found, `there is a table ${name}`);
    return found;
  }
}

function said(verdict: AgentError | undefined): string {
  return verdict === undefined ? "ok" : String(verdict.fields["limit"]);
}

function times<T>(count: number, run: () => T): T[] {
  return Array.from({ length: count }, run);
}

suite("CallLimits: each limit by itself", () => {
  const two = { rate: 1, burst: 2, waitMs: 0 };
  const rows: readonly {
    rates: Partial<CallRates>;
    asks: readonly [string, string, string][];
    why: string;
  }[] = [
    {
      rates: { perPeer: two },
      asks: [
        ["a", "A.B", "ok"],
        ["a", "A.C", "ok"],
        ["a", "A.B", "per_peer"],
        ["b", "A.B", "ok"],
      ],
      why: "per peer, whatever it calls",
    },
    {
      rates: { perEndpoint: [{ endpoint: "s/A.B", ...two }] },
      asks: [
        ["a", "A.B", "ok"],
        ["b", "A.B", "ok"],
        ["c", "A.B", "per_endpoint"],
        ["c", "A.C", "ok"],
      ],
      why: "per endpoint, whoever calls",
    },
    {
      rates: {
        perPeerEndpoint: [
          { endpoint: "s/A.B", ...two },
          { endpoint: "s/A.C", ...two },
        ],
      },
      asks: [
        ["a", "A.B", "ok"],
        ["a", "A.B", "ok"],
        ["a", "A.B", "per_peer_endpoint"],
        ["a", "A.C", "ok"],
        ["b", "A.B", "ok"],
        ["a", "A.D", "ok"],
      ],
      why: "per peer and endpoint",
    },
    {
      rates: { agent: two },
      asks: [
        ["a", "A.B", "ok"],
        ["b", "A.C", "ok"],
        ["c", "A.D", "agent"],
      ],
      why: "the whole agent",
    },
  ];
  for (const { rates, asks, why } of rows) {
    test(why, () => {
      const rig = new Rig(rates);
      for (const [who, endpoint, answer] of asks) {
        assert.equal(rig.ask(peer(who), { endpoint }), answer, `${who} ${endpoint}`);
      }
    });
  }

  test("another service's endpoint of the same name is another endpoint", () => {
    const rig = new Rig({ perEndpoint: [{ endpoint: "s/A.B", rate: 1, burst: 1, waitMs: 0 }] });
    assert.deepEqual(
      times(3, () => rig.ask(peer("a"), { service: "t" })),
      ["ok", "ok", "ok"],
    );
  });

  test("a refusal says how long to wait and what is refused; it costs nothing", async () => {
    const rig = new Rig({ perPeer: two });
    times(2, () => rig.ask(peer("a")));
    await rig.clock.advance(250);
    const refused = rig.limits.admit(rig.call(peer("a")));
    assert.ok(refused instanceof AgentError);
    assert.deepEqual([refused.code, refused.status], ["ERR_RATE_LIMITED", 429]);
    assert.deepEqual(refused.fields, { limit: "per_peer", retry_after_ms: 750 });
    times(500, () => rig.ask(peer("a")));
    await rig.clock.advance(750);
    assert.equal(rig.ask(peer("a")), "ok");
    assert.equal(rig.ask(peer("a")), "per_peer");
  });

  test("a call that one limit refuses is charged to none", async () => {
    const rig = new Rig({
      perPeer: { rate: 1, burst: 5, waitMs: 0 },
      perEndpoint: [{ endpoint: "s/A.B", rate: 1, burst: 1, waitMs: 0 }],
    });
    assert.equal(rig.ask(peer("a")), "ok");
    times(50, () => assert.equal(rig.ask(peer("a")), "per_endpoint"));
    const others = times(5, () => rig.ask(peer("a"), { endpoint: "A.C" }));
    assert.deepEqual(others, ["ok", "ok", "ok", "ok", "per_peer"]);
    assert.deepEqual([rig.table("per_endpoint").refused, rig.table("per_peer").refused], [50, 1]);
  });

  test("one that never comes back to the log is told of once", async () => {
    const rig = new Rig({ perPeer: two });
    times(100, () => rig.ask(peer("a")));
    assert.equal(rig.log.of("limit.reached").length, 1);
    await rig.clock.advance(600_000);
    times(100, () => rig.ask(peer("a")));
    assert.equal(rig.log.of("limit.reached").length, 2);
  });
});

suite("CallLimits: calls that the policy denies", () => {
  test("cost their own peer, and nobody else", () => {
    const once = { rate: 1, burst: 3, waitMs: 0 };
    const rates = {
      perPeer: { ...once, burst: 5 },
      perEndpoint: [{ endpoint: "s/A.B", ...once }],
      agent: once,
    };
    const stranger = peer("stranger");
    const rig = new Rig(rates, 100, ({ peer: who }) => who !== stranger);
    assert.deepEqual(
      times(7, () => rig.ask(stranger)),
      ["ok", "ok", "ok", "ok", "ok", "per_peer", "per_peer"],
    );
    assert.deepEqual(
      times(4, () => rig.ask(peer("backend"))),
      ["ok", "ok", "ok", "per_endpoint"],
    );
  });
});

suite("CallLimits: who is one peer", () => {
  const named = { certificate: CERTIFICATE, spiffeId: undefined };
  const rows = [
    {
      one: principal({ spiffeId: "spiffe://a/b", certificate: CERTIFICATE, remote: "10.0.0.1:1" }),
      two: principal({
        spiffeId: "spiffe://a/b",
        cn: "other",
        remote: "10.0.0.2:9",
        certificate: { ...CERTIFICATE, fingerprint: "0" },
      }),
      same: true,
      why: "the SPIFFE ID decides, through new certificates and addresses",
    },
    {
      one: principal({ ...named, cn: "n" }),
      two: principal({ ...named, cn: "n", certificate: { ...CERTIFICATE, fingerprint: "1" } }),
      same: true,
      why: "without one the name and its issuer do",
    },
    {
      one: principal({ ...named, cn: "n" }),
      two: principal({ ...named, cn: "n", certificate: { ...CERTIFICATE, issuer: "CN=other" } }),
      same: false,
      why: "the same name from another issuer is another peer",
    },
    {
      one: principal({ spiffeId: "spiffe://a/b", certificate: CERTIFICATE }),
      two: principal({
        spiffeId: "spiffe://a/b",
        certificate: CERTIFICATE,
        trustDomains: ["partner.org"],
      }),
      same: false,
      why: "a name from another trust domain is another peer's, so a partner can't spend ours",
    },
    {
      one: principal({ ...named, cn: "" }),
      two: principal({ ...named, cn: "", certificate: { ...CERTIFICATE, fingerprint: "1" } }),
      same: false,
      why: "without a name the certificate does",
    },
    {
      one: principal({ ...named, cn: "n", verified: false, remote: "10.0.0.1:1" }),
      two: principal({ ...named, cn: "m", verified: false, remote: "10.0.0.1:2" }),
      same: true,
      why: "an unverified peer is its address, whatever it calls itself",
    },
    {
      one: principal({ verified: false, remote: "[2001:db8::1]:1" }),
      two: principal({ verified: false, remote: "[2001:db8::2]:1" }),
      same: true,
      why: "its network, with IPv6",
    },
    {
      one: principal({ verified: false, remote: "10.0.0.1:1" }),
      two: principal({ verified: false, remote: "10.0.0.2:1" }),
      same: false,
      why: "another address, another peer",
    },
  ];
  for (const { one, two, same, why } of rows) {
    test(why, () => {
      const rig = new Rig({ perPeer: { rate: 1, burst: 1, waitMs: 0 } });
      assert.equal(rig.ask(one), "ok");
      assert.equal(rig.ask(two), same ? "per_peer" : "ok");
    });
  }
});

suite("CallLimits: waiting", () => {
  const waits = { rate: 10, burst: 1, waitMs: 250 };

  test("turns come in order of arrival, and only so many fit into the wait", async () => {
    const rig = new Rig({ perPeer: waits });
    const order: number[] = [];
    const verdicts = times(5, () => rig.limits.admit(rig.call(peer("a"))));
    for (const [index, verdict] of verdicts.entries()) {
      if (verdict instanceof Promise) void verdict.then(() => order.push(index));
    }
    assert.equal(verdicts[0], undefined);
    assert.deepEqual(
      verdicts.slice(3).map((verdict) => said(verdict as AgentError)),
      ["per_peer", "per_peer"],
    );
    assert.equal(rig.limits.view().calls.waiting, 2);
    await rig.clock.advance(99);
    assert.deepEqual(order, []);
    await rig.clock.advance(1);
    assert.deepEqual(order, [1]);
    await rig.clock.advance(100);
    assert.deepEqual(order, [1, 2]);
    assert.equal(rig.limits.view().calls.waiting, 0);
    assert.equal(rig.clock.timers, 0);
    assert.deepEqual([rig.table("per_peer").waited, rig.table("per_peer").refused], [2, 2]);
  });

  test("a caller that goes away gives its turn back, and nothing stays behind", async () => {
    const rig = new Rig({ perPeer: waits });
    const gone = new AbortController();
    rig.ask(peer("a"));
    const first = rig.call(peer("a"), { signal: gone.signal });
    const verdict = rig.limits.admit(first);
    gone.abort();
    rig.limits.finished(first);
    const refused = await verdict;
    assert.equal(refused?.code, "ERR_RPC_CANCELLED");
    assert.deepEqual(
      [rig.clock.timers, rig.limits.view().calls.waiting, rig.limits.view().calls.inFlight],
      [0, 0, 0],
    );
    await rig.clock.advance(100);
    assert.equal(rig.ask(peer("a")), "ok", "the turn it gave back");
  });

  test("a deadline that comes first is not waited for", () => {
    const rig = new Rig({ perPeer: waits });
    rig.ask(peer("a"));
    assert.equal(rig.ask(peer("a"), { deadlineAt: 100 }), "per_peer");
    assert.equal(rig.ask(peer("a"), { deadlineAt: 101 }), "waits");
  });

  test("where one limit lets wait and another does not, nobody waits", () => {
    const rig = new Rig({ perPeer: waits, agent: { rate: 10, burst: 1, waitMs: 0 } });
    rig.ask(peer("a"));
    assert.equal(rig.ask(peer("a")), "agent");
  });

  test("so many wait at once and no more", () => {
    const rig = new Rig({ agent: { rate: 100, burst: 1, waitMs: 60_000 } });
    rig.ask(peer("a"));
    const calls = times(300, () => rig.limits.admit(rig.call(peer("a"))));
    assert.equal(calls.filter((verdict) => verdict instanceof Promise).length, 256);
    assert.equal(rig.table("agent").refused, 44);
  });
});

suite("CallLimits: how many at a time", () => {
  test("of one peer, on all its connections", () => {
    const rig = new Rig({ maxCallsPerPeer: 2 });
    const open = times(2, () => rig.call(peer("a")));
    for (const call of open) assert.equal(rig.limits.admit(call), undefined);
    const refused = rig.limits.admit(rig.call(peer("a")));
    assert.ok(refused instanceof AgentError);
    assert.deepEqual([refused.status, said(refused)], [429, "max_calls_per_peer"]);
    assert.equal(rig.ask(peer("b")), "ok");
    rig.limits.finished(open[0] as LimitedCall);
    assert.equal(rig.ask(peer("a")), "ok");
  });

  const shed = [
    { endpoint: "A.B", kind: "read", from: 8 },
    { endpoint: "A.B", kind: "write", from: 9 },
    { endpoint: "A.B", kind: "admin", from: 10 },
    { endpoint: "Debug.Health", kind: "read", from: 10 },
  ] as const;
  for (const { endpoint, kind, from } of shed) {
    test(`${kind} ${endpoint} is shed when ${from} of 10 are in progress`, () => {
      const rig = new Rig({ maxCalls: 10 });
      for (let open = 0; open < 10; open++) {
        assert.equal(rig.ask(peer("a"), { endpoint, kind }), open < from ? "ok" : "max_calls");
        rig.limits.admit(rig.call(peer("b"), { kind: "admin" }));
      }
      const refused = rig.limits.admit(rig.call(peer("a"), { endpoint, kind }));
      assert.ok(refused instanceof AgentError);
      assert.deepEqual([refused.code, refused.status], ["ERR_RPC_OVERLOADED", 503]);
    });
  }

  test("a call that was refused frees nothing when it ends", () => {
    const rig = new Rig({ maxCallsPerPeer: 1 });
    rig.limits.admit(rig.call(peer("a")));
    times(5, () => assert.equal(rig.ask(peer("a")), "max_calls_per_peer"));
    assert.equal(rig.limits.view().calls.inFlight, 1);
  });
});

suite("CallLimits: reload", () => {
  test("a changed rate keeps what was spent; a limit that is gone is gone", () => {
    const endpoint = "s/A.B";
    const rig = new Rig({
      perPeer: { rate: 1, burst: 3, waitMs: 0 },
      perEndpoint: [
        { endpoint: "s/A.Z", rate: 1, burst: 1, waitMs: 0 },
        { endpoint, rate: 1, burst: 3, waitMs: 0 },
      ],
      perPeerEndpoint: [{ endpoint, rate: 1, burst: 3, waitMs: 0 }],
      agent: { rate: 1, burst: 3, waitMs: 0 },
    });
    times(3, () => assert.equal(rig.ask(peer("a")), "ok"));
    const spent = (rates: Partial<CallRates>): string => {
      rig.limits.apply({ ...NONE, ...rates });
      return rig.ask(peer("a"));
    };
    const lower = { rate: 1, burst: 2, waitMs: 0 };
    assert.equal(spent({ perEndpoint: [{ endpoint, ...lower }] }), "per_endpoint");
    assert.equal(spent({ perPeerEndpoint: [{ endpoint, ...lower }] }), "ok", "was off in between");
    assert.equal(spent({}), "ok");
  });

  test("tables stay through a reload", () => {
    const rig = new Rig({ perPeer: { rate: 1, burst: 3, waitMs: 0 } });
    times(3, () => rig.ask(peer("a")));
    rig.limits.apply({ ...NONE, perPeer: { rate: 2, burst: 3, waitMs: 0 }, maxCalls: 5 });
    // three seconds of debt at one call a second are an empty bucket at two
    assert.equal(rig.ask(peer("a")), "per_peer");
    assert.deepEqual(rig.table("per_peer").rates, [{ rate: 2, burst: 3, waitMs: 0 }]);
    assert.equal(rig.limits.view().calls.max, 5);
  });
});

suite("CallLimits: what is shown", () => {
  test("the busiest peers first, by calls a second of late", async () => {
    const rig = new Rig({});
    times(500, () => rig.ask(peer("yesterday")));
    await rig.clock.advance(100_000);
    times(10, () => rig.ask(peer("quiet")));
    times(100, () => rig.ask(peer("busy")));
    await rig.clock.advance(5000);
    const { peers } = rig.limits.view();
    assert.deepEqual(
      peers.map(({ peer: name, callsPerSecond, calls }) => [name, callsPerSecond, calls]),
      [
        ["spiffe://site/busy", 10, 100],
        ["spiffe://site/quiet", 1, 10],
        ["spiffe://site/yesterday", 0, 500],
      ],
    );
  });

  test("ten thousand peers take no more room than 256, and the busiest stays", () => {
    const rig = new Rig({});
    const busy = peer("busy");
    const held = peer("held");
    rig.limits.admit(rig.call(held));
    for (let at = 0; at < 10_000; at++) {
      rig.ask(busy);
      rig.ask(peer(`p${at}`));
    }
    const { peers, calls } = rig.limits.view();
    assert.deepEqual([peers[0]?.peer, peers[0]?.calls], ["spiffe://site/busy", 10_000]);
    assert.equal(calls.inFlight, 1);
    assert.equal(peers.length, 10);
  });

  test("a peer with a call in progress is not left out", () => {
    const rig = new Rig({ maxCallsPerPeer: 1 });
    rig.limits.admit(rig.call(peer("held")));
    for (let at = 0; at < 600; at++) rig.ask(peer(`p${at}`));
    assert.equal(rig.ask(peer("held")), "max_calls_per_peer");
  });

  test("a connection whose peer was left out brings it back", () => {
    const rig = new Rig({});
    const quiet = peer("quiet");
    rig.ask(quiet);
    for (let at = 0; at < 600; at++) {
      rig.ask(peer(`p${at}`));
      rig.ask(peer(`p${at}`));
    }
    times(10, () => rig.ask(quiet));
    assert.equal(rig.limits.view().peers[0]?.peer, "spiffe://site/quiet");
  });

  test("a peer that was left out comes back with its bucket and what it has in progress", () => {
    const rig = new Rig(
      { perPeer: { rate: 0.001, burst: 1, waitMs: 0 }, maxCallsPerPeer: 1 },
      1000,
    );
    const quiet = peer("quiet");
    assert.equal(rig.ask(quiet), "ok");
    for (let at = 0; at < 600; at++) rig.ask(peer(`p${at}`));
    assert.equal(rig.ask(quiet), "per_peer");
    assert.equal(rig.ask(peer("quiet")), "per_peer", "also by a new connection");
  });
});
