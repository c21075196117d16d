import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { parseCertificateTime } from "#src/identity/x509/certificate-time.ts";

const element = (tag: number, text: string) => ({ tag, content: Buffer.from(text, "latin1") });

suite("dates of certificates", () => {
  const good = [
    { tag: 0x17, text: "491231235959Z", iso: "2049-12-31T23:59:59.000Z", why: "the last UTCTime" },
    { tag: 0x17, text: "500101000000Z", iso: "1950-01-01T00:00:00.000Z", why: "the first one" },
    { tag: 0x17, text: "240229120000Z", iso: "2024-02-29T12:00:00.000Z", why: "a leap day" },
    { tag: 0x18, text: "20500101000000Z", iso: "2050-01-01T00:00:00.000Z", why: "from 2050 on" },
    { tag: 0x18, text: "99991231235959Z", iso: "9999-12-31T23:59:59.000Z", why: "no end" },
  ];
  for (const { tag, text, iso, why } of good) {
    test(`${why}: ${text}`, () =>
      assert.equal(new Date(parseCertificateTime(element(tag, text))).toISOString(), iso));
  }
  const bad = [
    { tag: 0x17, text: "20500101000000Z", why: "four digits of a year in UTCTime" },
    { tag: 0x18, text: "500101000000Z", why: "two in GeneralizedTime" },
    { tag: 0x17, text: "249901000000Z", why: "month 99" },
    { tag: 0x17, text: "230229000000Z", why: "a leap day in a year that has none" },
    { tag: 0x17, text: "240101240000Z", why: "hour 24" },
    { tag: 0x17, text: "2401010000Z", why: "no seconds" },
    { tag: 0x17, text: "240101000000+0100", why: "a zone" },
    { tag: 0x18, text: "20240101000000.5Z", why: "a fraction" },
    { tag: 0x04, text: "240101000000Z", why: "another type" },
    { tag: 0x17, text: "", why: "nothing" },
  ];
  for (const { tag, text, why } of bad) {
    test(`refused: ${why}`, () =>
      assert.throws(
        () => parseCertificateTime(element(tag, text)),
        (error) => isAgentError(error, "ERR_CERT_INVALID"),
      ));
  }
  test("refused: no element at all", () =>
    assert.throws(() => parseCertificateTime(undefined), /its dates can't be read/));
});
