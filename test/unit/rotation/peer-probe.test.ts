import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { formatPeer, outcomeOf } from "#src/rotation/peer-probe.ts";
import type { ProbedCertificate, ProbeResult } from "#src/transport/probe-result.ts";

const LEAF = { fingerprint: "ab" } as ProbedCertificate;
const fail = (id: string, words: string) => ({ level: "fail", id, words, fix: "" }) as const;
const GOOD: ProbeResult = {
  ...{ host: "h", port: 1, serverName: "h", addresses: [], connectedTo: "1", protocol: "TLSv1.3" },
  ...{ cipher: "", group: "", alpn: undefined, chain: [LEAF], findings: [], ok: true },
  ...{ serverAccepted: true, clientCertificate: "accepted", refusal: undefined },
};

suite("what a probe means", () => {
  const rows = [
    { why: "demanded and taken", probe: {}, is: { kind: "accepted", peerSha256: "ab" } },
    {
      why: "taken by somebody who asks nobody: no proof",
      probe: { clientCertificate: "not-demanded" },
      is: { kind: "not-asked", peerSha256: "ab" },
    },
    {
      why: "nobody knows whether it asks",
      probe: { clientCertificate: "unknown" },
      is: { kind: "unreachable" },
    },
    {
      why: "an alert under the connection's keys",
      probe: { clientCertificate: "refused", refusal: "alert" },
      is: { kind: "refused", strong: true },
    },
    {
      why: "an answer under the connection's keys",
      probe: { clientCertificate: "refused", refusal: "answer" },
      is: { kind: "refused", strong: true },
    },
    {
      why: "a hang-up, which anybody on the way can make",
      probe: { clientCertificate: "refused", refusal: "hang-up" },
      is: { kind: "refused", strong: false },
    },
    {
      why: "an alert amid the handshake, in plain text",
      probe: { serverAccepted: undefined, clientCertificate: "refused", refusal: "handshake" },
      is: { kind: "refused", strong: false },
    },
    {
      why: "no connection",
      probe: { serverAccepted: undefined, findings: [fail("tcp", "nothing listens")] },
      is: { kind: "unreachable", words: "nothing listens" },
    },
    {
      why: "a server that we don't trust, whatever it says of us",
      probe: { serverAccepted: false, clientCertificate: "accepted" },
      is: { kind: "distrusted", peerSha256: "ab" },
    },
    {
      why: "a protocol that we don't speak",
      probe: { findings: [fail("tls-version", "only TLS 1.2")] },
      is: { kind: "unreachable", words: "only TLS 1.2" },
    },
  ] as const;
  for (const { why, probe, is } of rows) {
    test(`${why}: ${is.kind}`, () =>
      assert.partialDeepStrictEqual(outcomeOf({ ...GOOD, ...probe }), is));
  }
});

test("a peer is written with the name that its certificate must carry", () => {
  assert.equal(formatPeer({ host: "a", port: 1 }), "a:1");
  assert.equal(formatPeer({ host: "::1", port: 1, serverName: "b" }), "[::1]:1 (b)");
});
