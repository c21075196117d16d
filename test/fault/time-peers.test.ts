/**
 * Peers and a wrong clock, through real TLS handshakes. OpenSSL judges by the system's clock, which no
 * test can set; so the clock is made wrong by moving the truth: these certificates are of a time to come,
 * which a CRL has proven, and the system's clock lies behind it.
 */
import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { createServer } from "node:tls";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { systemRandom } from "#src/host/random.ts";
import type { DatePolicy, NotYetValidPolicy } from "#src/identity/time/time-view.ts";
import {
  buildCertificate,
  certificatePem,
  subjectNameDer,
} from "#src/identity/x509/certificate-builder.ts";
import {
  type Authority,
  createAuthority,
  type Issued,
  issueCertificate,
  randomSerial,
} from "#src/identity/x509/issue.ts";
import { TlsDialer } from "#src/transport/tls-dialer.ts";
import { HandSource, LOOPBACK_SANS, materialOf, testPki } from "../fakes/certificates.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { dialTls, RecordingLog, readAll, startRig } from "../fakes/network-rig.ts";
import { crlClaim, timeRig } from "../fakes/trusted-time.ts";

const DAY = 86_400_000;
const CLOCK = Date.now();
const TRUTH = CLOCK + 400 * DAY;

const authority = (
  cn: string,
  more: Partial<Parameters<typeof createAuthority>[0]> = {},
): Promise<Authority> =>
  createAuthority({ cn, days: 3650, nowMs: TRUTH - 100 * DAY, random: systemRandom, ...more });
const leaf = (
  cn: string,
  by: Authority,
  more: Partial<Parameters<typeof issueCertificate>[0]> = {},
): Promise<Issued> =>
  issueCertificate({
    cn,
    authority: by,
    sans: LOOPBACK_SANS,
    usages: ["server", "client"],
    days: 60,
    nowMs: TRUTH - 10 * DAY,
    random: systemRandom,
    ...more,
  });

const root = await authority("Root of a time to come");
const ended = { notBefore: TRUTH - 90 * DAY, notAfter: TRUTH - DAY };
const later = { notBefore: TRUTH + 5 * DAY, notAfter: TRUTH + 50 * DAY };
const below = await authority("Intermediate", { parent: root });
const narrow = await authority("Allows nobody below", { pathLength: 0 });
const tooDeep = await authority("Too deep", { parent: narrow });
const endedBelow = await authority("Ended intermediate", { parent: root, ...ended });
const old = await authority("Root that ends before the truth", {
  nowMs: CLOCK - DAY,
  notAfter: TRUTH - DAY,
});
/** An authority that may sign CRLs only has issued a leaf all the same. */
async function unsigned(): Promise<Issued & { readonly bundle: string }> {
  const pki = await testPki("Root for odd ones", TRUTH - 100 * DAY);
  const dates = { notBefore: TRUTH - 90 * DAY, notAfter: TRUTH + 900 * DAY };
  const subject = { basicConstraints: { ca: true }, keyUsageBits: [6], ...dates };
  const issuer = await pki.odd("May sign CRLs only", subject);
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const der = await buildCertificate({
    subjectCn: "unsigned",
    serial: randomSerial(systemRandom),
    notBefore: TRUTH - DAY,
    notAfter: TRUTH + DAY,
    publicKey,
    signingKey: createPrivateKey(issuer.keyPem),
    issuerNameDer: await subjectNameDer(new X509Certificate(issuer.certificatePem).raw),
    basicConstraints: { ca: false },
    keyUsageBits: [0],
    sans: LOOPBACK_SANS,
  });
  const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { certificatePem: certificatePem(der), keyPem, bundle: issuer.certificatePem + pki.caPem };
}
const odd = await unsigned();

interface Row {
  readonly why: string;
  readonly issued: Issued;
  /** What the peer sends with its leaf. */
  readonly sends?: string;
  readonly bundle?: string;
  /** Under which policies it is let in. */
  readonly good: readonly NotYetValidPolicy[];
  readonly words: RegExp;
}

const rows: readonly Row[] = [
  {
    why: "valid at the proven time",
    issued: await leaf("good", root),
    good: ["proven", "tolerate"],
    words: /not yet valid/,
  },
  {
    why: "begins after the proven time",
    issued: await leaf("later", root, later),
    good: ["tolerate"],
    words: /not yet valid/,
  },
  {
    why: "ended before the proven time, though OpenSSL says that it is not yet valid",
    issued: await leaf("ended", root, ended),
    good: [],
    words: /expired 1 day ago/,
  },
  {
    why: 'of an unknown authority, which OpenSSL\'s "not yet valid" hides',
    issued: await leaf("stranger", await authority("Stranger")),
    good: [],
    words: /unknown authority/,
  },
  {
    why: "an intermediate that the peer sends and the bundle does not hold",
    issued: await leaf("sent", below),
    sends: below.certificatePem,
    good: [],
    words: /its issuers don't all stand in the trust bundle|is not yet valid/,
  },
  {
    why: "the same, and the bundle holds it",
    issued: await leaf("held", below),
    sends: below.certificatePem,
    bundle: root.certificatePem + below.certificatePem,
    good: ["proven", "tolerate"],
    words: /not yet valid|valid only from/,
  },
  {
    why: "below an authority that allows no intermediates, which OpenSSL hides, too",
    issued: await leaf("deep", tooDeep),
    sends: tooDeep.certificatePem,
    bundle: narrow.certificatePem + tooDeep.certificatePem,
    good: [],
    words: /allows no such long chain|is not yet valid/,
  },
  {
    why: "an intermediate that has ended",
    issued: await leaf("below-ended", endedBelow),
    sends: endedBelow.certificatePem,
    bundle: root.certificatePem + endedBelow.certificatePem,
    good: [],
    words: /expired 1 day ago/,
  },
  {
    why: "an authority that may not issue certificates",
    issued: odd,
    bundle: odd.bundle,
    good: [],
    words: /unknown authority/,
  },
  {
    why: "good by the wrong clock, ended by the proven time",
    issued: await leaf("was-good", old, { notBefore: CLOCK - DAY, notAfter: TRUTH - DAY }),
    bundle: old.certificatePem,
    good: [],
    words: /expired 1 day ago/,
  },
  {
    why: "good by the wrong clock, but its authority has ended by the proven time",
    issued: await leaf("outlives", old, { notBefore: CLOCK - DAY, notAfter: TRUTH + DAY }),
    bundle: old.certificatePem,
    good: [],
    words: /Root that ends before the truth", which expired/,
  },
];

/** Trusted time on a machine whose clock is 400 days behind what a CRL proves. */
async function behind(policy: Partial<DatePolicy>, clockMs = CLOCK, provenMs = TRUTH) {
  const { time } = await timeRig({
    clock: new FakeClock(clockMs),
    policy: { notYetValid: "proven", expiredGraceMs: 0, ...policy },
    builtAt: CLOCK - 30 * DAY,
  });
  const issuers = [{ subject: "CN=CA", notAfter: TRUTH + 1000 * DAY }];
  time.claim(crlClaim(provenMs, { issuers }));
  return time;
}

const security = (own: Issued, bundle: string) => ({
  kind: "tls" as const,
  source: new HandSource(materialOf(own, bundle)),
  minVersion: "1.3" as const,
});

/** What our listener says to a client; empty when it lets it in. */
async function asClient(row: Row, time: Awaited<ReturnType<typeof behind>>): Promise<string> {
  const bundle = row.bundle ?? root.certificatePem;
  await using rig = await startRig(
    { ...security(await leaf("us", root), bundle), verify: { kind: "enforce" } },
    { time },
  );
  const socket = await dialTls(rig.port, {
    cert: row.issued.certificatePem + (row.sends ?? ""),
    key: row.issued.keyPem,
    rejectUnauthorized: false,
  });
  socket.write("hello");
  const first = await Promise.race([
    once(socket, "data").then(([chunk]) => String(chunk)),
    readAll(socket),
  ]);
  socket.destroy();
  return first === "echo:hello" ? "" : first;
}

/** What our dialer says of a server; empty when it believes it. */
async function asServer(row: Row, time: Awaited<ReturnType<typeof behind>>): Promise<string> {
  const bundle = row.bundle ?? root.certificatePem;
  const cert = row.issued.certificatePem + (row.sends ?? "");
  const server = createServer({ cert, key: row.issued.keyPem });
  server.on("secureConnection", (socket) => socket.on("error", () => socket.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  using dialer = new TlsDialer({
    security: { ...security(await leaf("us", root), bundle), verify: "enforce" },
    network: systemNetwork,
    connectTimeoutMs: 5000,
    clock: systemClock,
    time,
    log: new RecordingLog(),
  });
  try {
    const target = { host: "127.0.0.1", port, alpn: ["http/1.1"] };
    const { socket } = await dialer.dial(target, new AbortController().signal);
    socket.destroy();
    return "";
  } catch (error) {
    return (error as Error).message;
  } finally {
    server.close();
  }
}

suite("a clock known to be behind", () => {
  for (const row of rows) {
    for (const notYetValid of ["refuse", "proven", "tolerate"] as const) {
      const good = row.good.includes(notYetValid);
      test(`${notYetValid}, ${good ? "let in" : "refused"}: ${row.why}`, async () => {
        for (const judge of [asClient, asServer]) {
          const said = await judge(row, await behind({ notYetValid }));
          if (good) assert.equal(said, "");
          else assert.match(said, row.words);
        }
      });
    }
  }
});

suite("a clock that is not known to be wrong", () => {
  test("excuses nothing: what is not yet valid is refused under every policy", async () => {
    for (const notYetValid of ["refuse", "proven", "tolerate"] as const) {
      for (const expiredGraceMs of [0, 7 * DAY]) {
        const time = await behind({ notYetValid, expiredGraceMs }, CLOCK, CLOCK);
        assert.equal(time.view().clockWrong, false);
        const row = rows[0] as Row;
        assert.match(await asClient(row, time), /not yet valid/);
      }
    }
  });
});

suite("a grace after the end", () => {
  const present = (cn: string, more = {}): Promise<Authority> =>
    createAuthority({ cn, days: 3650, nowMs: CLOCK - 100 * DAY, random: systemRandom, ...more });
  const dates = { notBefore: CLOCK - 30 * DAY, notAfter: CLOCK - 3 * DAY };
  const cases = [
    { why: "none is configured", graceDays: 0, by: "known", good: false, words: /expired 3 days/ },
    { why: "a week is", graceDays: 7, by: "known", good: true, words: /^$/ },
    {
      why: "two days are too short",
      graceDays: 2,
      by: "known",
      good: false,
      words: /expired 3 days/,
    },
    {
      why: "of an unknown authority",
      graceDays: 7,
      by: "unknown",
      good: false,
      words: /unknown authority/,
    },
    {
      why: "of an authority that has ended as well",
      graceDays: 7,
      by: "ended",
      good: false,
      words: /which expired/,
    },
  ] as const;
  for (const { why, graceDays, by, good, words } of cases) {
    test(`${good ? "let in" : "refused"}: ${why}`, async () => {
      const issuer = await present("CA", by === "ended" ? { notAfter: CLOCK - 2 * DAY } : {});
      const issued = await leaf("old", issuer, dates);
      const other = await present("Another CA");
      const bundle = by === "unknown" ? other.certificatePem : issuer.certificatePem;
      const row: Row = { why, issued, bundle, good: [], words };
      const time = await behind({ expiredGraceMs: graceDays * DAY }, CLOCK, CLOCK);
      for (const judge of [asClient, asServer]) assert.match(await judge(row, time), words);
    });
  }
});
