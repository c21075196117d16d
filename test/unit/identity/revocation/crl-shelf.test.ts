import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { CrlShelf } from "#src/identity/revocation/crl-shelf.ts";
import { IssuerPool } from "#src/identity/revocation/issuer-pool.ts";
import type { TimeView } from "#src/identity/time/time-view.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import type { Issued } from "#src/identity/x509/issue.ts";
import { testPki } from "../../../fakes/certificates.ts";
import {
  type CrlParts,
  der,
  EXTENSION_ID,
  extension,
  integer,
  issuingPoint,
  makeCrl,
} from "../../../fakes/crl-parts.ts";

const NOW = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;
const pki = await testPki("Site CA", NOW);
const namesake = await testPki("Site CA", NOW);
const stranger = await testPki("Other CA", NOW);
const noCrlSign = await pki.odd("No CRL", {
  basicConstraints: { ca: true },
  keyUsageBits: [5],
  selfSigned: true,
});

const TIME: TimeView = {
  state: "network",
  nowMs: NOW,
  floorMs: 0,
  clockWrong: false,
  words: undefined,
};

function shelf(time: TimeView = TIME, breaths: { count: number } = { count: 0 }): CrlShelf {
  const pool = new IssuerPool();
  pool.trust([parseCertificate(pki.caPem), parseCertificate(noCrlSign.certificatePem)]);
  return new CrlShelf({
    pool,
    time: () => time,
    breathe: async () => {
      breaths.count += 1;
    },
  });
}

const good: CrlParts = {
  thisUpdate: NOW - HOUR,
  nextUpdate: NOW + 24 * HOUR,
  number: 7,
  revoked: [{ serial: "1234" }, { serial: "99aabbccddeeff00112233445566778899aabbcc" }],
};

/** The cause of the refusal; fails when there is none. */
async function causeOf(put: Promise<unknown>): Promise<unknown> {
  try {
    await put;
  } catch (error) {
    assert.ok(isAgentError(error, "ERR_REVOCATION_SOURCE"), String(error));
    assert.ok(String(error.fields["fix"]).length > 10, "says what to do");
    return error.fields["cause"];
  }
  return "taken";
}

suite("a CRL", () => {
  test("of our authority is taken, with its entries", async () => {
    const { crl, changed } = await shelf().put(makeCrl(pki.authority, good), "site.crl");
    assert.equal(changed, true);
    assert.deepEqual(
      [crl.number, crl.thisUpdate, crl.nextUpdate],
      [7n, NOW - HOUR, NOW + 24 * HOUR],
    );
    assert.equal(crl.serials.count, 2);
    const long = Buffer.from("99aabbccddeeff00112233445566778899aabbcc", "hex");
    assert.deepEqual(crl.serials.find(long), { sinceMs: NOW - HOUR, reason: "unspecified" });
    assert.ok(crl.serials.find(Uint8Array.of(0x12, 0x34)));
    assert.equal(crl.serials.find(Uint8Array.of(0x34)), undefined, "a tail is not the serial");
    assert.equal(crl.serials.find(Uint8Array.of(0x12, 0x35)), undefined);
  });

  test("tells serials apart that end alike", async () => {
    const revoked = [{ serial: "01aabbccdd" }, { serial: "02aabbccdd" }, { serial: "aabbccdd" }];
    const { crl } = await shelf().put(makeCrl(pki.authority, { ...good, revoked }), "a");
    for (const { serial } of revoked)
      assert.ok(crl.serials.find(Buffer.from(serial, "hex")), serial);
    for (const serial of ["03aabbccdd", "0101aabbccdd", "bbccdd"]) {
      assert.equal(crl.serials.find(Buffer.from(serial, "hex")), undefined, serial);
    }
  });

  test("is not new a second time", async () => {
    const one = shelf();
    const bytes = makeCrl(pki.authority, good);
    await one.put(bytes, "a");
    assert.equal((await one.put(bytes, "a")).changed, false);
  });

  test("keeps the reason of an entry", async () => {
    const reason = extension(EXTENSION_ID.reasonCode, false, Uint8Array.of(0x0a, 1, 1));
    const revoked = [{ serial: "05", at: NOW - 2 * HOUR, extensions: reason }];
    const { crl } = await shelf().put(makeCrl(pki.authority, { ...good, revoked }), "a");
    const found = crl.serials.find(Uint8Array.of(5));
    assert.deepEqual(found, { sinceMs: NOW - 2 * HOUR, reason: "keyCompromise" });
  });

  test("with the issuing distribution point that step-ca makes is taken", async () => {
    const url = "http://ca.example:9000/1.0/crl";
    const bytes = makeCrl(pki.authority, { ...good, extensions: [issuingPoint(url)] });
    assert.deepEqual((await shelf().put(bytes, "a")).crl.pointUrls, [url]);
  });

  const whole = makeCrl(pki.authority, good);
  const flipped = new Uint8Array(whole);
  flipped[whole.length - 5] = (flipped[whole.length - 5] ?? 0) ^ 1;
  const set = Uint8Array.of(0xff);
  const point = (tag: number): CrlParts => ({
    ...good,
    extensions: [issuingPoint(undefined, der(tag, set))],
  });
  const rows: readonly { why: string; bytes: Uint8Array; cause: string }[] = [
    { why: "cut off", bytes: whole.subarray(0, whole.length - 20), cause: "malformed" },
    { why: "empty", bytes: new Uint8Array(), cause: "malformed" },
    { why: "no CRL at all", bytes: Buffer.from("<html>"), cause: "malformed" },
    { why: "followed by something", bytes: Buffer.concat([whole, set]), cause: "malformed" },
    { why: "signature damaged", bytes: flipped, cause: "signature" },
    {
      why: "of another authority of the same name",
      bytes: makeCrl(namesake.authority, good),
      cause: "signature",
    },
    {
      why: "signed by somebody else",
      bytes: makeCrl(pki.authority, { ...good, signer: stranger.authority }),
      cause: "signature",
    },
    {
      why: "of an authority that is not trusted",
      bytes: makeCrl(stranger.authority, good),
      cause: "unknown-issuer",
    },
    {
      why: "of an authority that may not sign CRLs",
      bytes: makeCrl(noCrlSign, good),
      cause: "signature",
    },
    { why: "signed with SHA-1", bytes: makeCrl(pki.authority, good, true), cause: "algorithm" },
    {
      why: "without nextUpdate",
      bytes: makeCrl(pki.authority, { ...good, nextUpdate: undefined }),
      cause: "malformed",
    },
    {
      why: "that ends before it begins",
      bytes: makeCrl(pki.authority, { ...good, nextUpdate: NOW - 2 * HOUR }),
      cause: "malformed",
    },
    {
      why: "of tomorrow",
      bytes: makeCrl(pki.authority, { ...good, thisUpdate: NOW + 20 * HOUR }),
      cause: "future",
    },
    {
      why: "delta",
      bytes: makeCrl(pki.authority, {
        ...good,
        extensions: [extension(EXTENSION_ID.delta, true, integer(1))],
      }),
      cause: "delta",
    },
    { why: "indirect", bytes: makeCrl(pki.authority, point(0x84)), cause: "indirect" },
    {
      why: "of authorities only",
      bytes: makeCrl(pki.authority, point(0x82)),
      cause: "partitioned",
    },
    {
      why: "of some reasons only",
      bytes: makeCrl(pki.authority, point(0x83)),
      cause: "partitioned",
    },
    {
      why: "of attribute certificates only",
      bytes: makeCrl(pki.authority, point(0x85)),
      cause: "partitioned",
    },
    {
      why: "with a critical extension that nobody knows",
      bytes: makeCrl(pki.authority, {
        ...good,
        extensions: [extension(EXTENSION_ID.unknown, true, set)],
      }),
      cause: "critical-extension",
    },
    {
      why: "with an entry of another issuer",
      bytes: makeCrl(pki.authority, {
        ...good,
        revoked: [
          { serial: "01", extensions: extension(EXTENSION_ID.certificateIssuer, true, set) },
        ],
      }),
      cause: "indirect",
    },
    {
      why: "with a critical extension of an entry",
      bytes: makeCrl(pki.authority, {
        ...good,
        revoked: [{ serial: "01", extensions: extension(EXTENSION_ID.unknown, true, set) }],
      }),
      cause: "critical-extension",
    },
  ];
  for (const { why, bytes, cause } of rows) {
    test(`${why} is refused: ${cause}`, async () => {
      const one = shelf();
      assert.equal(await causeOf(one.put(bytes, "a")), cause);
      assert.equal(one.all().length, 0);
    });
  }

  test("with a harmless extension that nobody knows is taken", async () => {
    const extensions = [extension(EXTENSION_ID.unknown, false, set)];
    assert.equal(
      await causeOf(shelf().put(makeCrl(pki.authority, { ...good, extensions }), "a")),
      "taken",
    );
  });

  const steps: readonly { why: string; next: Partial<CrlParts>; cause: string }[] = [
    { why: "a higher number", next: { number: 8, thisUpdate: NOW }, cause: "taken" },
    { why: "a lower number", next: { number: 6, thisUpdate: NOW }, cause: "went-back" },
    {
      why: "zero, as after the authority was set up anew",
      next: { number: 0, thisUpdate: NOW },
      cause: "went-back",
    },
    { why: "no number any more", next: { number: undefined, thisUpdate: NOW }, cause: "went-back" },
    { why: "an earlier date", next: { number: 8, thisUpdate: NOW - 2 * HOUR }, cause: "went-back" },
  ];
  for (const { why, next, cause } of steps) {
    test(`after number 7: ${why}: ${cause}`, async () => {
      const one = shelf();
      await one.put(makeCrl(pki.authority, good), "a");
      assert.equal(
        await causeOf(one.put(makeCrl(pki.authority, { ...good, ...next }), "a")),
        cause,
      );
      const left = one.all()[0]?.number;
      assert.equal(left, cause === "taken" ? 8n : 7n, "what is in force");
    });
  }

  test("of tomorrow is taken while the time is not known", async () => {
    const bytes = makeCrl(pki.authority, { ...good, thisUpdate: NOW + 20 * HOUR });
    assert.equal(await causeOf(shelf({ ...TIME, state: "unknown" }).put(bytes, "a")), "taken");
  });
});

suite("a CRL of 50,000 entries", () => {
  const serialOf = (index: number): string =>
    (0x4000_0000_0000_0000n * 0x1_0000_0000_0000_0000n + BigInt(index) * 0x9e37_79b9_7f4a_7c15n)
      .toString(16)
      .padStart(32, "0");
  const reason = extension(EXTENSION_ID.reasonCode, false, Uint8Array.of(0x0a, 1, 4));
  const revoked = Array.from({ length: 50_000 }, (_, index) => ({
    serial: serialOf(index),
    extensions: reason,
  }));
  const bytes = makeCrl(pki.authority as Issued, { ...good, revoked });

  test("takes 29 bytes an entry and never holds the loop for long", async (t) => {
    const breaths = { count: 0 };
    const started = performance.now();
    const { crl } = await shelf(TIME, breaths).put(bytes, "a");
    t.diagnostic(`${bytes.length} bytes read in ${Math.round(performance.now() - started)} ms`);
    assert.equal(crl.serials.bytes, 50_000 * 29);
    assert.ok(breaths.count >= 50, `others had ${breaths.count} turns`);
    for (const index of [0, 1, 24_999, 49_999]) {
      assert.ok(crl.serials.find(Buffer.from(serialOf(index), "hex")), `entry ${index}`);
    }
    assert.equal(crl.serials.find(Buffer.from(serialOf(50_000), "hex")), undefined);
  });

  test("and more than 131,072 are refused", async () => {
    const many = Array.from({ length: 131_073 }, (_, index) => ({
      serial: (index + 1).toString(16),
    }));
    const big = makeCrl(pki.authority as Issued, { ...good, revoked: many });
    assert.equal(await causeOf(shelf().put(big, "a")), "too-large");
  });
});
