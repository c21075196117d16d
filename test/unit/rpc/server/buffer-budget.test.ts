import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AgentError } from "#src/base/errors.ts";
import type { Principal } from "#src/base/principal.ts";
import { BufferBudget, type Holder, peerKeyOf } from "#src/rpc/server/buffer-budget.ts";

function peer(fingerprint: string | undefined, verified: boolean, remote: string): Principal {
  const certificate =
    fingerprint === undefined
      ? undefined
      : { subject: "", issuer: "", notBefore: 0, notAfter: 0, serial: "01", fingerprint };
  return {
    verified,
    cn: "",
    spiffeId: undefined,
    dnsNames: [],
    ipAddresses: [],
    certificate,
    trustDomains: verified ? [""] : [],
    roles: [],
    remote,
    refusal: verified ? undefined : "expired",
  };
}

function holder(peerKey: string, gone: string[], name: string): Holder {
  return { peerKey, listens: true, shed: (_: AgentError) => void gone.push(name) };
}

suite("what one peer makes the agent hold", () => {
  for (const { why, one, other, same } of [
    {
      why: "two connections with one good certificate are one peer, wherever they come from",
      one: peer("aa", true, "192.0.2.1:1"),
      other: peer("aa", true, "192.0.2.2:1"),
      same: true,
    },
    {
      why: "two good certificates are two peers, also behind one address",
      one: peer("aa", true, "192.0.2.1:1"),
      other: peer("bb", true, "192.0.2.1:2"),
      same: false,
    },
    {
      why: "who is let in unverified can make as many certificates as it likes: it is its address",
      one: peer("aa", false, "192.0.2.1:1"),
      other: peer("bb", false, "192.0.2.1:2"),
      same: true,
    },
    {
      why: "nor can it pass for a good peer by showing that one's certificate",
      one: peer("aa", true, "192.0.2.1:1"),
      other: peer("aa", false, "192.0.2.2:1"),
      same: false,
    },
  ]) {
    test(why, () => assert.equal(peerKeyOf(one) === peerKeyOf(other), same));
  }

  test("who spreads what it hoards over many certificates pays, and not the one who holds a bit more than each", () => {
    const gone: string[] = [];
    const budget = new BufferBudget(1000);
    budget.state(holder(peerKeyOf(peer("good", true, "192.0.2.9:1")), gone, "good"), 300);
    for (let at = 0; at < 8; at++) {
      const key = peerKeyOf(peer(`own ${at}`, false, `192.0.2.1:${at}`));
      budget.state(holder(key, gone, "hoarder"), 100);
    }
    assert.deepEqual(gone, ["hoarder"]);
  });
});
