import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { formatBytes, formatDuration, parseDuration } from "#src/cli/format/duration.ts";

suite("parseDuration", () => {
  const rows = [
    { text: "250ms", span: 250, why: "milliseconds" },
    { text: "5s", span: 5_000, why: "seconds" },
    { text: "1.5m", span: 90_000, why: "a fraction" },
    { text: "2h", span: 7_200_000, why: "hours" },
    { text: "30d", span: 2_592_000_000, why: "days" },
    { text: "5", span: undefined, why: "seconds or milliseconds? ask" },
    { text: "0s", span: undefined, why: "no time is no time limit" },
    { text: "0.1ms", span: undefined, why: "less than a timer can" },
    { text: "-5s", span: undefined, why: "the past" },
    { text: "5 s", span: undefined, why: "spaces" },
    { text: "", span: undefined, why: "nothing" },
    { text: "1e3s", span: undefined, why: "other spellings of numbers" },
  ];
  for (const { text, span, why } of rows) {
    test(`"${text}": ${why}`, () => assert.equal(parseDuration(text), span));
  }
});

suite("formatDuration and formatBytes", () => {
  const spans = [
    [0, "0 ms"],
    [9_999, "9999 ms"],
    [10_000, "10 s"],
    [61_000, "1 min 1 s"],
    [3_600_000, "1 h"],
    [90_061_000, "1 d 1 h"],
    [86_401_000, "1 d"],
  ] as const;
  for (const [span, text] of spans) {
    test(`${span} ms is ${text}`, () => assert.equal(formatDuration(span), text));
  }
  for (const [bytes, text] of [
    [999, "999 B"],
    [1_000, "1.0 kB"],
    [41_234_567, "41.2 MB"],
  ] as const) {
    test(`${bytes} bytes is ${text}`, () => assert.equal(formatBytes(bytes), text));
  }
});
