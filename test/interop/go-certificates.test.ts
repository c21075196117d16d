/**
 * Certificates of every kind in the hands of a real go-micro client: who is let in, and what the others
 * are told. Go keeps a certificate back whose issuer the server does not name; then it is as if there
 * were none.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { type TestPki, testPki } from "../fakes/certificates.ts";
import { makeSite, type Site } from "../fakes/site.ts";
import { GoClient } from "./go-peer.ts";

const ECHO = ["--service", "microedge", "--endpoint", "Agent.Echo", "--timeout", "5s"] as const;
const DAY = 86_400_000;

interface Shown {
  readonly certificatePem: string;
  readonly keyPem: string;
}

interface Row {
  readonly why: string;
  /** `undefined`: none. */
  make(pki: TestPki): Promise<Shown> | undefined;
  /** `undefined`: let in. */
  readonly refused?: RegExp;
}

const KEPT_BACK = /no client certificate was sent/;
const ROWS: readonly Row[] = [
  { why: "valid", make: (pki) => pki.issue("good") },
  {
    why: "expired",
    make: (pki) =>
      pki.issue("old", { notBefore: Date.now() - 9 * DAY, notAfter: Date.now() - 3 * DAY }),
    refused: /expired 3 days ago/,
  },
  {
    why: "not yet valid",
    make: (pki) =>
      pki.issue("early", { notBefore: Date.now() + 2 * DAY, notAfter: Date.now() + 9 * DAY }),
    refused: /is not yet valid/,
  },
  {
    why: "self-signed: Go keeps it back",
    make: (pki) => pki.odd("selfmade", { selfSigned: true }),
    refused: KEPT_BACK,
  },
  {
    why: "self-signed in the authority's name, which Go sends",
    make: (pki) => pki.odd("Test CA", { selfSigned: true }),
    refused: /self-signed/,
  },
  {
    why: "of another authority: Go keeps it back",
    make: async () => (await testPki("Other CA")).issue("stranger"),
    refused: KEPT_BACK,
  },
  {
    why: "of another authority of the same name, which Go sends",
    make: async () => (await testPki()).issue("stranger"),
    refused: /has another key/,
  },
  {
    why: "of the right authority, for servers only",
    make: (pki) => pki.issue("server-only", { usages: ["server"] }),
    refused: /lacks clientAuth/,
  },
  { why: "without names: a client needs none", make: (pki) => pki.odd("nameless", { sans: {} }) },
  {
    why: "an embedded wildcard: names nobody, and its holder is still itself",
    make: (pki) => pki.issue("star", { sans: { dns: ["w*.example.com"] } }),
  },
  {
    why: "a weak key",
    make: (pki) =>
      pki.odd("weak", { key: generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey }),
    refused: /RSA key of 1024 bits/,
  },
  { why: "none", make: () => undefined, refused: KEPT_BACK },
];

suite("certificates that a Go client shows", () => {
  let site: Site;
  let agent: AgentProcess;
  before(async () => {
    site = await makeSite();
    agent = await startAgent({ site });
  });
  after(async () => {
    await agent.stop();
    await site[Symbol.asyncDispose]();
  });

  const clientWith = async (name: string, shown: Shown | undefined): Promise<GoClient> => {
    const cert = shown === undefined ? "" : await site.write(`${name}.crt`, shown.certificatePem);
    const key = shown === undefined ? "" : await site.write(`${name}.key`, shown.keyPem);
    return new GoClient("v5", agent.listen, { cert, key, ca: `${site.directory}/ca.crt` });
  };

  for (const [number, { why, make, refused }] of ROWS.entries()) {
    test(`${why}: ${refused === undefined ? "let in" : "refused, and told why"}`, async () => {
      const client = await clientWith(`row-${number}`, await make(site.pki));
      if (refused === undefined) {
        assert.equal((await client.reply(...ECHO, "--body", '{"seq":"7"}')).seq, "7");
        return;
      }
      const { code, detail } = await client.error(...ECHO);
      assert.equal(code, 401);
      assert.match(detail, refused);
    });
  }

  test("TLS 1.2: no handshake, and the log says that it was the version", async () => {
    const client = await clientWith("old-tls", await site.pki.issue("old-tls"));
    const [line] = await client.lines(...ECHO, "--tls-1.2");
    assert.match(line?.error ?? "", /protocol version/);
    const failed = await agent.event("handshake.failed");
    assert.equal(failed["cause"], "protocol-version");
  });

  test("and the agent serves on", async () => {
    const client = await clientWith("afterwards", await site.pki.issue("afterwards"));
    assert.equal((await client.reply(...ECHO, "--body", '{"seq":"8"}')).seq, "8");
  });
});
