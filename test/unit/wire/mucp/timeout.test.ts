import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { formatTimeout, MAX_TIMEOUT_MS, parseTimeout } from "#src/wire/mucp/timeout.ts";

suite("parseTimeout", () => {
  const rows: readonly { value: string | undefined; ms: number | undefined; why: string }[] = [
    { value: undefined, ms: undefined, why: "absent" },
    { value: "5000000000", ms: 5000, why: "go-micro's default of five seconds" },
    { value: "300000000", ms: 300, why: "as recorded" },
    { value: "1", ms: 1, why: "rounded up: a limit is never 0" },
    { value: "1000001", ms: 2, why: "rounded up" },
    { value: "0005000000", ms: 5, why: "leading zeros are digits" },
    { value: "3600000000000", ms: MAX_TIMEOUT_MS, why: "an hour is the longest" },
    { value: "3600000000001", ms: undefined, why: "more than an hour is no limit" },
    { value: "9223372036854775807", ms: undefined, why: "largest int64" },
    { value: "18446744073709551615", ms: undefined, why: "largest uint64, negative in go-micro" },
    { value: "18446744073709551616", ms: undefined, why: "beyond it: unparsable in go-micro" },
    { value: "9".repeat(400), ms: undefined, why: "no number at all" },
    { value: "0", ms: undefined, why: "switched off" },
    { value: "000", ms: undefined, why: "switched off" },
    { value: "", ms: undefined, why: "empty" },
    { value: "-1", ms: undefined, why: "negative: unparsable in go-micro" },
    { value: "+1000000", ms: undefined, why: "signs are unparsable in go-micro" },
    { value: "5s", ms: undefined, why: "unit" },
    { value: "5e9", ms: undefined, why: "exponent" },
    { value: "5000000000.0", ms: undefined, why: "fraction" },
    { value: "0x5000000", ms: undefined, why: "hexadecimal" },
    { value: "5 000", ms: undefined, why: "space" },
    { value: "٥٠٠٠٠٠٠٠", ms: undefined, why: "digits of another script" },
    { value: "NaN", ms: undefined, why: "word" },
  ];
  for (const { value, ms, why } of rows) {
    test(`${String(value).slice(0, 30)}: ${why}`, () => assert.equal(parseTimeout(value), ms));
  }
});

suite("formatTimeout", () => {
  for (const { ms, value, why } of [
    { ms: 5000, value: "5000000000", why: "nanoseconds" },
    { ms: 1, value: "1000000", why: "one millisecond" },
    { ms: 0.25, value: "250000", why: "a fraction" },
    { ms: 1e-9, value: "1", why: "rounded up, never 0" },
    { ms: 2_592_000_000, value: "2592000000000000", why: "thirty days, exact" },
  ]) {
    test(`${ms}: ${why}`, () => assert.equal(formatTimeout(ms), value));
  }
  test("parses back", () => assert.equal(parseTimeout(formatTimeout(1234)), 1234));
});
