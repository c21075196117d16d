import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { TlsMaterial } from "#src/identity/tls-material.ts";
import type { ProbeOutcome, ProbePeer } from "#src/rotation/peer-probe.ts";
import {
  DEFAULT_PROBATION,
  Probation,
  type ProbationEnd,
  type Trial,
} from "#src/rotation/probation.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";
import {
  ACCEPTED,
  DISTRUSTED,
  HUNG_UP,
  NOT_ASKED,
  PEER,
  REFUSED,
  UNREACHABLE,
} from "../../fakes/rotation-rig.ts";

const DAY = 86_400_000;
const material = (name: string): TlsMaterial => ({
  chainPem: name,
  key: name,
  trustBundlePem: "",
  digest: name,
});
type Answer = (which: "fresh" | "old", call: number, peer: ProbePeer) => ProbeOutcome;

/** Runs until an answer, or for `forMs`; `undefined` when it goes on after that. */
async function runFor(
  forMs: number,
  answer: Answer,
  trial: Partial<Trial> = {},
): Promise<{ readonly end: ProbationEnd | undefined; readonly asked: readonly string[] }> {
  const clock = new FakeClock();
  const asked: string[] = [];
  const calls = new Map<string, number>();
  const probation = new Probation(
    {
      clock,
      random: new FakeRandom(7),
      probe: async (peer, { digest }) => {
        const which = digest === "old" ? "old" : "fresh";
        const call = (calls.get(which) ?? 0) + 1;
        calls.set(which, call);
        asked.push(which);
        return answer(which, call, peer);
      },
    },
    DEFAULT_PROBATION,
  );
  const stop = new AbortController();
  let end: ProbationEnd | undefined;
  const running = probation
    .run(
      {
        peers: [PEER],
        fresh: material("fresh"),
        old: async () => material("old"),
        deliberateTrust: false,
        onAccepted: () => undefined,
        onLook: () => undefined,
        ...trial,
      },
      stop.signal,
    )
    .then(
      (ended) => {
        end = ended;
      },
      (error: unknown) => assert.equal(error, stop.signal.reason),
    );
  await clock.advance(forMs);
  stop.abort(new Error("enough"));
  await running;
  assert.equal(clock.timers, 0, "no timer is left");
  return { end, asked };
}

const both =
  (fresh: ProbeOutcome, old: ProbeOutcome): Answer =>
  (which) =>
    which === "fresh" ? fresh : old;

suite("how probation ends", () => {
  const rows: readonly {
    readonly why: string;
    readonly answer: Answer;
    readonly trial?: Partial<Trial>;
    readonly end: ProbationEnd["kind"] | undefined;
  }[] = [
    { why: "the peer accepts", answer: both(ACCEPTED, ACCEPTED), end: "proven" },
    {
      why: "nobody to ask",
      answer: both(ACCEPTED, ACCEPTED),
      trial: { peers: [] },
      end: "nothing-to-prove",
    },
    {
      why: "reached, but it asks nobody for a certificate: no proof",
      answer: both(NOT_ASKED, NOT_ASKED),
      end: "nothing-to-prove",
    },
    {
      why: "refused under the connection's keys, and the old is taken",
      answer: both(REFUSED, ACCEPTED),
      end: "fall-back",
    },
    {
      why: "refused, and the old is refused too",
      answer: both(REFUSED, REFUSED),
      end: undefined,
    },
    {
      why: "refused, and the old can't reach it either",
      answer: both(REFUSED, UNREACHABLE),
      end: undefined,
    },
    {
      why: "refused, and of the old the peer asks nothing: it did not take it",
      answer: both(REFUSED, NOT_ASKED),
      end: undefined,
    },
    {
      why: "the network is blocked",
      answer: both(UNREACHABLE, UNREACHABLE),
      end: undefined,
    },
    {
      why: "the network is blocked for the new one only: whoever does it gains nothing",
      answer: both(UNREACHABLE, ACCEPTED),
      end: undefined,
    },
    {
      why: "refused once, then the network is blocked for the new one only",
      answer: (which, call) => (which === "old" ? ACCEPTED : call === 1 ? REFUSED : UNREACHABLE),
      end: undefined,
    },
    {
      why: "refused once, as by a peer that restarts",
      answer: (which, call) => (which === "fresh" && call <= 2 ? REFUSED : ACCEPTED),
      end: "proven",
    },
    {
      why: "the old is taken only sometimes",
      answer: (which, call) =>
        which === "fresh" ? REFUSED : call % 3 === 0 ? UNREACHABLE : ACCEPTED,
      end: undefined,
    },
    {
      why: "a hang-up every time for the new one, and never for the old",
      answer: both(HUNG_UP, ACCEPTED),
      end: "fall-back",
    },
    {
      why: "hang-ups by somebody who can't tell the two apart",
      answer: (which, call) =>
        (call + (which === "old" ? 1 : 0)) % 2 === 0 ? HUNG_UP : UNREACHABLE,
      end: undefined,
    },
    {
      why: "the new bundle does not vouch for the peer, the old one does, for the same certificate",
      answer: both(DISTRUSTED, ACCEPTED),
      end: "fall-back",
    },
    {
      why: "the same, and the peer asks nobody for a certificate",
      answer: both(DISTRUSTED, NOT_ASKED),
      end: "fall-back",
    },
    {
      why: "an impostor with another certificate, while the new one is tried",
      answer: both({ kind: "distrusted", peerSha256: "ff", words: "not ours" }, ACCEPTED),
      end: undefined,
    },
    {
      why: "roots were dropped on purpose: a peer that still has one does not bring them back",
      answer: both(DISTRUSTED, ACCEPTED),
      trial: { deliberateTrust: true },
      end: undefined,
    },
    {
      why: "roots were dropped on purpose, but the peer refuses our new chain",
      answer: both(REFUSED, ACCEPTED),
      trial: { deliberateTrust: true },
      end: "fall-back",
    },
    {
      why: "there is nothing good to go back to",
      answer: both(REFUSED, ACCEPTED),
      trial: { old: async () => undefined },
      end: undefined,
    },
    {
      why: "one of two peers accepts, the other never answers: enough after the window",
      answer: (_which, _call, { host }) => (host === "silent" ? UNREACHABLE : ACCEPTED),
      trial: { peers: [PEER, { host: "silent", port: 1 }] },
      end: "proven",
    },
    {
      why: "one of two peers accepts, the other refuses and takes the old",
      answer: (which, _call, { host }) =>
        host === "strict" && which === "fresh" ? REFUSED : ACCEPTED,
      trial: { peers: [PEER, { host: "strict", port: 1 }] },
      end: "fall-back",
    },
  ];
  for (const { why, answer, trial, end } of rows) {
    test(`${why}: ${end ?? "it goes on"}`, async () => {
      assert.equal((await runFor(2 * DAY, answer, trial)).end?.kind, end);
    });
  }
});

suite("a fall-back is not hasty", () => {
  test("three rounds of both, with pauses, in changing order, after the first look", async () => {
    const { end, asked } = await runFor(DAY, both(REFUSED, ACCEPTED));
    assert.deepEqual(end, {
      kind: "fall-back",
      reasons: [
        {
          code: "peer-refuses-it",
          words:
            "broker.example:8883 took the generation before and not this one, 3 times in a row: unknown authority",
        },
      ],
    });
    assert.equal(asked.length, 1 + 3 * 2);
    assert.equal((await runFor(1_999, both(REFUSED, ACCEPTED))).end, undefined);
    assert.equal((await runFor(2_000, both(REFUSED, ACCEPTED))).end?.kind, "fall-back");
  });

  test("the order of the two is drawn: nobody knows which is which", async () => {
    const { asked } = await runFor(DAY, both(HUNG_UP, ACCEPTED));
    const firsts = asked.slice(1).filter((_, index) => index % 2 === 0);
    assert.equal(firsts.length, 8);
    assert.ok(firsts.includes("old") && firsts.includes("fresh"), firsts.join());
  });

  test("hang-ups are weighed three times at most", async () => {
    // Seven rounds in favour of a fall-back, and an eighth against it.
    const { end, asked } = await runFor(2 * DAY, (which, call) =>
      which === "fresh" ? HUNG_UP : call % 8 === 0 ? UNREACHABLE : ACCEPTED,
    );
    assert.equal(end, undefined);
    assert.equal(asked.filter((which) => which === "old").length, 3 * 8);
  });
});

suite("a blocked network", () => {
  test("is tried again more and more rarely, at least once in an hour and a half", async () => {
    const { end, asked } = await runFor(DAY, both(UNREACHABLE, ACCEPTED));
    assert.equal(end, undefined);
    assert.ok(!asked.includes("old"), "the old one is not even asked");
    assert.ok(asked.length >= 24 && asked.length < 500, String(asked.length));
  });

  test("a probe that hangs counts as not reached, and the next peer is asked", async () => {
    const clock = new FakeClock();
    const accepted: string[] = [];
    const stop = new AbortController();
    const limits: AbortSignal[] = [];
    const probation = new Probation(
      {
        clock,
        random: new FakeRandom(),
        probe: async (peer, _material, signal) => {
          if (peer.host !== "hangs") return ACCEPTED;
          limits.push(signal);
          return new Promise<never>(() => undefined);
        },
      },
      DEFAULT_PROBATION,
    );
    const running = probation.run(
      {
        peers: [{ host: "hangs", port: 1 }, PEER],
        fresh: material("fresh"),
        old: async () => undefined,
        deliberateTrust: false,
        onAccepted: (peer) => accepted.push(peer),
        onLook: () => undefined,
      },
      stop.signal,
    );
    await clock.advance(29_999);
    assert.deepEqual(accepted, []);
    await clock.advance(1);
    assert.deepEqual(accepted, ["broker.example:8883"]);
    assert.equal(limits[0]?.aborted, true, "the probe is told to end");
    stop.abort(new Error("the agent stops"));
    await assert.rejects(running, /the agent stops/);
    assert.equal(clock.timers, 0);
  });
});
