/** What stands where the authority should: overload, web pages, garbage, silence, other authorities. */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, createServer as createPlain } from "node:net";
import { after, before, suite, test } from "node:test";
import { systemRandom } from "#src/host/random.ts";
import type { OwnIdentityForIssuer } from "#src/identity/issuer.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { issueCertificate } from "#src/identity/x509/issue.ts";
import { checkIssued } from "#src/issuers/check-issued.ts";
import { StepCaIssuer } from "#src/issuers/step-ca.ts";
import { type TestPki, testPki } from "../fakes/certificates.ts";
import { failureOf, issuerRig, openKey, withValidity } from "../fakes/issuer-rig.ts";

const signal = new AbortController().signal;
const DAY_MS = 86_400_000;
type Play = (request: IncomingMessage, response: ServerResponse) => void;

suite("instead of a certificate", () => {
  let pki: TestPki;
  let play: Play = (_, response) => response.end();
  let url = "";
  let own: OwnIdentityForIssuer;
  const stop: (() => void)[] = [];

  before(async () => {
    pki = await testPki("Fault Root");
    const server = await pki.issue("ca");
    const web = createServer(
      {
        cert: server.certificatePem,
        key: server.keyPem,
        ca: pki.caPem,
        requestCert: true,
        rejectUnauthorized: false,
      },
      (request, response) => {
        request.resume();
        request.on("end", () => play(request, response));
      },
    );
    web.listen(0, "127.0.0.1");
    await once(web, "listening");
    url = `https://127.0.0.1:${(web.address() as AddressInfo).port}`;
    stop.push(() => {
      web.closeAllConnections();
      web.close();
    });
    const device = await pki.issue("roof-7");
    own = { key: openKey(device.keyPem), chainPem: device.certificatePem };
  });
  after(() => {
    for (const end of stop) end();
  });

  const pinned = (more: Partial<Parameters<typeof issuerRig>[0]> = {}) =>
    issuerRig({ url, bundlePem: pki.caPem, totalTimeoutMs: 600, ...more });

  const json = (response: ServerResponse, value: unknown, status = 201): void =>
    void response
      .writeHead(status, { "Content-Type": "application/json", "X-Request-Id": "r-1" })
      .end(JSON.stringify(value));
  const soon = (ms: number): string => new Date(Date.now() + ms).toUTCString();

  const CASES: readonly {
    why: string;
    play: Play;
    code: string;
    reason: string;
    words?: RegExp;
    retryAfterMs?: (ms: number | undefined) => boolean;
    permanent?: boolean;
    lostAnswer?: boolean;
  }[] = [
    {
      why: "429 with seconds",
      play: (_, r) => void r.writeHead(429, { "Retry-After": "120" }).end(),
      code: "ERR_ISSUER_BUSY",
      reason: "busy",
      words: /for 120 s/,
      retryAfterMs: (ms) => ms === 120_000,
    },
    {
      why: "503 with a date, which counts from the server's own clock",
      play: (_, r) =>
        void r
          .writeHead(503, {
            Date: soon(-5 * DAY_MS),
            "Retry-After": soon(-5 * DAY_MS + 60_000),
            "Content-Type": "text/html",
          })
          .end("<html>overload</html>"),
      code: "ERR_ISSUER_BUSY",
      reason: "busy",
      retryAfterMs: (ms) => ms === 60_000,
    },
    {
      why: "503 that asks for a year: a day at most",
      play: (_, r) => void r.writeHead(503, { "Retry-After": "31536000" }).end(),
      code: "ERR_ISSUER_BUSY",
      reason: "busy",
      retryAfterMs: (ms) => ms === DAY_MS,
    },
    {
      why: "503 with nonsense",
      play: (_, r) => void r.writeHead(503, { "Retry-After": "soon" }).end(),
      code: "ERR_ISSUER_BUSY",
      reason: "busy",
      retryAfterMs: (ms) => ms === undefined,
    },
    {
      why: "500",
      play: (_, r) => json(r, {}, 500),
      code: "ERR_ISSUER_BUSY",
      reason: "server-error",
      lostAnswer: true,
    },
    {
      why: "a web page with 200",
      play: (_, r) =>
        void r
          .writeHead(200, { "Content-Type": "text/html; charset=utf-8" })
          .end("<html>log in</html>"),
      code: "ERR_ISSUER_UNREACHABLE",
      reason: "captive-portal",
      words: /web page .*captive portal/,
    },
    {
      why: "a redirection",
      play: (_, r) => void r.writeHead(302, { Location: "http://login.example/" }).end(),
      code: "ERR_ISSUER_UNREACHABLE",
      reason: "captive-portal",
      words: /redirection/,
    },
    {
      why: "511",
      play: (_, r) => void r.writeHead(511).end(),
      code: "ERR_ISSUER_UNREACHABLE",
      reason: "captive-portal",
      words: /log in/,
    },
    {
      why: "404",
      play: (_, r) =>
        void r.writeHead(404, { "Content-Type": "text/plain" }).end("404 page not found"),
      code: "ERR_ISSUER_ANSWER",
      reason: "answer",
      permanent: true,
    },
    {
      why: "garbage",
      play: (_, r) =>
        void r.writeHead(201, { "Content-Type": "application/json" }).end("{{{secret-body"),
      code: "ERR_ISSUER_ANSWER",
      reason: "answer",
      words: /not the JSON of step-ca/,
      lostAnswer: true,
    },
    {
      why: "JSON of something else",
      play: (_, r) => json(r, { status: "ok" }),
      code: "ERR_ISSUER_ANSWER",
      reason: "answer",
      words: /does not hold the certificates/,
      lostAnswer: true,
    },
    {
      why: "too many certificates",
      play: (_, r) => json(r, { certChain: Array.from({ length: 17 }, () => pki.caPem) }),
      code: "ERR_ISSUER_ANSWER",
      reason: "answer",
      lostAnswer: true,
    },
    {
      why: "more than it may be, announced",
      play: (_, r) =>
        void r.writeHead(201, { "Content-Length": String(50_000_000) }).flushHeaders(),
      code: "ERR_ISSUER_ANSWER",
      reason: "answer",
      words: /larger than/,
      lostAnswer: true,
    },
    {
      why: "more than it may be, in pieces without end",
      play: (_, r) => {
        r.writeHead(201, { "Content-Type": "application/json" });
        const more = (): void => {
          while (!r.destroyed && r.write(Buffer.alloc(16_384, 0x20)));
          if (!r.destroyed) r.once("drain", more);
        };
        more();
      },
      code: "ERR_ISSUER_ANSWER",
      reason: "answer",
      words: /larger than/,
      lostAnswer: true,
    },
    {
      why: "an answer that drips",
      play: (_, r) => {
        r.writeHead(201, { "Content-Type": "application/json" });
        const drip = setInterval(() => r.write(" "), 50);
        r.on("close", () => clearInterval(drip));
      },
      code: "ERR_ISSUER_UNREACHABLE",
      reason: "timeout",
      lostAnswer: true,
    },
    {
      why: "silence",
      play: () => undefined,
      code: "ERR_ISSUER_UNREACHABLE",
      reason: "timeout",
      words: /waiting for the answer/,
      lostAnswer: true,
    },
    {
      why: "a reset",
      play: (request) => request.socket.destroy(),
      code: "ERR_ISSUER_UNREACHABLE",
      reason: "unreachable",
      lostAnswer: true,
    },
    {
      why: "an answer that is cut off",
      play: (_, r) => {
        r.writeHead(201, { "Content-Type": "application/json", "Content-Length": "1000" });
        r.write("{");
        setImmediate(() => r.destroy());
      },
      code: "ERR_ISSUER_UNREACHABLE",
      reason: "unreachable",
      lostAnswer: true,
    },
    {
      why: "a certificate for another key",
      play: (_, r) =>
        void pki.issue("roof-7").then((other) => json(r, { certChain: [other.certificatePem] })),
      code: "ERR_ISSUER_ANSWER",
      reason: "answer",
      words: /no certificate belongs to the private key/,
      lostAnswer: true,
    },
    {
      why: "the certificate of another authority",
      play: (_, r) => {
        void testPki("Stranger").then(async (stranger) => {
          const leaf = withValidity(
            own.chainPem,
            stranger.authority,
            Date.now(),
            Date.now() + 90 * DAY_MS,
          );
          json(r, { certChain: [leaf, stranger.caPem] });
        });
      },
      code: "ERR_ISSUER_ANSWER",
      reason: "answer",
      words: /does not chain to a pinned root/,
      lostAnswer: true,
    },
    {
      why: "a certificate that ends before the one in hand",
      play: (_, r) =>
        json(r, {
          certChain: [withValidity(own.chainPem, pki.authority, Date.now(), Date.now() + DAY_MS)],
        }),
      code: "ERR_ISSUER_ANSWER",
      reason: "answer",
      words: /before the one in hand/,
      lostAnswer: true,
    },
  ];
  for (const each of CASES) {
    test(each.why, async () => {
      play = each.play;
      const rig = await pinned();
      const error = await failureOf(new StepCaIssuer(rig.parts).renew(own, signal));
      assert.deepEqual([error.code, error.reason], [each.code, each.reason], error.message);
      assert.equal(error.permanent, each.permanent ?? false);
      if (each.lostAnswer !== undefined) assert.equal(error.lostAnswer, each.lostAnswer);
      if (each.words !== undefined) assert.match(error.message, each.words);
      if (each.retryAfterMs !== undefined) assert.ok(each.retryAfterMs(error.retryAfterMs));
      assert.doesNotMatch(error.message, /secret-body|BEGIN/);
    });
  }

  test("other names than before, and names that nobody asked for", async () => {
    for (const dns of [["localhost"], ["localhost", "more.example"]]) {
      const leaf = await pki.odd("roof-7", {
        key: createPrivateKey(own.key.tlsKey as string),
        notAfter: Date.now() + 90 * DAY_MS,
        sans: { dns, ip: dns.length === 1 ? [] : ["127.0.0.1", "::1"] },
      });
      play = (_, r) => json(r, { certChain: [leaf.certificatePem] });
      const rig = await pinned();
      const error = await failureOf(new StepCaIssuer(rig.parts).renew(own, signal));
      assert.match(
        error.message,
        dns.length === 1 ? /lacks the names "IP/ : /not asked for: "DNS more\.example"/,
      );
      assert.equal(error.requestId, "r-1");
    }
  });

  test("a good certificate passes, without its root", async () => {
    const leaf = withValidity(own.chainPem, pki.authority, Date.now(), Date.now() + 90 * DAY_MS);
    play = (_, r) => json(r, { certChain: [leaf, pki.caPem] });
    const rig = await pinned();
    const issued = await new StepCaIssuer(rig.parts).renew(own, signal);
    assert.equal(issued.chainPem.trim(), leaf.trim());
    assert.equal(issued.requestId, "r-1");
  });

  test("a shorter life than before is taken and remarked", async () => {
    const now = Date.now();
    const before = parseCertificate(
      withValidity(own.chainPem, pki.authority, now - 80 * DAY_MS, now + 10 * DAY_MS),
    );
    const leaf = withValidity(own.chainPem, pki.authority, now, now + 30 * DAY_MS);
    const roots = { certificates: [parseCertificate(pki.caPem)] };
    const { publicKey } = own.key;
    const { remarks } = checkIssued([leaf], {
      publicKey,
      names: undefined,
      before,
      roots,
      where: "ca",
    });
    assert.deepEqual(remarks, ["the new certificate lives 30 days, the one before lived 90 days"]);
  });

  test("another authority at the same address: nothing is asked of it", async () => {
    const stranger = await testPki("Stranger");
    let asked = 0;
    play = (_, response) => {
      asked += 1;
      response.end();
    };
    const rig = await pinned({ bundlePem: stranger.caPem });
    const error = await failureOf(new StepCaIssuer(rig.parts).renew(own, signal));
    assert.deepEqual(
      [error.code, error.reason, error.lostAnswer],
      ["ERR_ISSUER_UNTRUSTED", "untrusted", false],
    );
    assert.match(error.message, /not the authority that is pinned/);
    assert.equal(asked, 0);
  });

  test("a server of the pinned authority that has another name", async () => {
    const other = await issueCertificate({
      ...{
        authority: pki.authority,
        cn: "other",
        sans: { dns: ["other.example"] },
        usages: ["server"],
      },
      ...{ days: 1, nowMs: Date.now(), random: systemRandom },
    });
    const web = createServer({ cert: other.certificatePem, key: other.keyPem });
    web.listen(0, "127.0.0.1");
    await once(web, "listening");
    stop.push(() => web.close());
    const rig = await pinned({ url: `https://127.0.0.1:${(web.address() as AddressInfo).port}` });
    const error = await failureOf(new StepCaIssuer(rig.parts).renew(own, signal));
    assert.equal(error.code, "ERR_ISSUER_UNTRUSTED");
  });

  test("a key that does not belong to our certificate: said, and nobody is asked", async () => {
    const other = await pki.issue("other");
    let asked = 0;
    play = () => {
      asked += 1;
    };
    const rig = await pinned();
    const wrong = { ...own, key: { ...own.key, tlsKey: other.keyPem } };
    const error = await failureOf(new StepCaIssuer(rig.parts).renew(wrong, signal));
    assert.deepEqual(
      [error.code, error.reason, error.permanent],
      ["ERR_ISSUER_REFUSED", "unsupported", true],
    );
    assert.match(error.message, /can't be used together/);
    assert.equal(asked, 0);
  });

  const CLOCKS = [
    { why: "the clock is not known to be wrong", wrong: false, known: true, reason: "clock" },
    {
      why: "the clock is wrong, and every issuer is known",
      wrong: true,
      known: true,
      reason: "answer",
    },
    {
      why: "the clock is wrong, and its intermediate is not known",
      wrong: true,
      known: false,
      reason: "clock",
    },
  ];
  for (const { why, wrong, known, reason } of CLOCKS) {
    test(`an authority whose certificate begins in an hour: ${why}`, async () => {
      const intermediate = await pki.intermediate("Day Issuer");
      const now = Date.now();
      const leaf = await issueCertificate({
        ...{ authority: intermediate, cn: "ca", sans: { ip: ["127.0.0.1"] }, usages: ["server"] },
        ...{ days: 1, nowMs: now, notBefore: now + 3_600_000, random: systemRandom },
      });
      const cert = leaf.certificatePem + intermediate.certificatePem;
      const web = createServer({ cert, key: leaf.keyPem }, (_, response) =>
        response.writeHead(404).end(),
      );
      web.listen(0, "127.0.0.1");
      await once(web, "listening");
      stop.push(() => web.close());
      const rig = await pinned({
        url: `https://127.0.0.1:${(web.address() as AddressInfo).port}`,
        ownChainPem: known ? own.chainPem + intermediate.certificatePem : own.chainPem,
      });
      rig.view = { ...rig.view, state: wrong ? "floor" : "unknown", clockWrong: wrong };
      rig.clockMs = now - 900 * DAY_MS;
      const error = await failureOf(new StepCaIssuer(rig.parts).renew(own, signal));
      assert.equal(error.reason, reason, error.message);
    });
  }

  const PLAIN: readonly { why: string; say: string; reason: string }[] = [
    {
      why: "a web server without TLS",
      say: "HTTP/1.1 400 Bad Request\r\n\r\n",
      reason: "captive-portal",
    },
    { why: "something else", say: "220 mail.example ESMTP\r\n", reason: "captive-portal" },
    { why: "somebody who hangs up", say: "", reason: "unreachable" },
  ];
  for (const { why, say, reason } of PLAIN) {
    test(`${why} on the authority's port`, async () => {
      const plain = createPlain((socket) => {
        socket.on("error", () => undefined);
        socket.once("data", () => socket.end(say));
      });
      plain.listen(0, "127.0.0.1");
      await once(plain, "listening");
      stop.push(() => plain.close());
      const rig = await pinned({
        url: `https://127.0.0.1:${(plain.address() as AddressInfo).port}`,
      });
      const error = await failureOf(new StepCaIssuer(rig.parts).renew(own, signal));
      assert.deepEqual(
        [error.code, error.reason, error.lostAnswer],
        ["ERR_ISSUER_UNREACHABLE", reason, false],
      );
    });
  }

  test("a pinned root that another server sends in its place", async () => {
    const stranger = await testPki("Stranger");
    play = (_, r) => json(r, { ca: stranger.caPem }, 200);
    const rig = await issuerRig({
      url,
      rootSha256: parseCertificate(pki.caPem).summary.fingerprint,
    });
    const error = await failureOf(new StepCaIssuer(rig.parts).renew(own, signal));
    assert.equal(error.code, "ERR_ISSUER_UNTRUSTED");
    assert.match(error.message, /another root than the one/);
    assert.equal(rig.asked.length, 1);
    play = (_, r) => void r.writeHead(200, { "Content-Type": "text/html" }).end("<html>");
    assert.equal(
      (await failureOf(new StepCaIssuer(rig.parts).renew(own, signal))).reason,
      "captive-portal",
    );
  });

  test("intermediates that are announced as roots are not learned", async () => {
    const intermediate = await pki.intermediate("Not a root");
    play = (_, r) => json(r, { crts: [intermediate.certificatePem, pki.caPem] });
    const rig = await pinned();
    await new StepCaIssuer(rig.parts).trustBundle(signal);
    assert.equal(rig.roots.certificates.length, 1);
  });
});
