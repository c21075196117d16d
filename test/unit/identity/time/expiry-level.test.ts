import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { dateState } from "#src/identity/time/expiry-level.ts";

const DAY = 86_400_000;
const START = Date.UTC(2026, 0, 1);

suite("dateState", () => {
  // `left` is the time until the end, in days, of a certificate that lives `life` days.
  const rows = [
    { life: 365, left: 366, state: "not-yet-valid", why: "a year ahead of its beginning" },
    { life: 365, left: 365, state: "good", why: "the first millisecond is included" },
    { life: 365, left: 30, state: "good", why: "exactly 30 days" },
    { life: 365, left: 29.999, state: "warn", why: "under 30 days" },
    { life: 365, left: 7, state: "warn", why: "exactly 7 days" },
    { life: 365, left: 6.999, state: "critical", why: "under 7 days" },
    { life: 365, left: 0, state: "critical", why: "the last millisecond is included" },
    { life: 365, left: -0.001, state: "expired", why: "over" },
    { life: 90, left: 29.999, state: "warn", why: "90 days is long" },
    { life: 89, left: 29.999, state: "good", why: "89 is short: a quarter is 22.25" },
    { life: 89, left: 22.24, state: "warn", why: "under a quarter" },
    { life: 60, left: 15, state: "good", why: "exactly a quarter" },
    { life: 60, left: 5, state: "warn", why: "exactly a twelfth" },
    { life: 60, left: 4.999, state: "critical", why: "under a twelfth" },
    {
      life: 1,
      left: 0.26,
      state: "good",
      why: "a day-long certificate does not warn all its life",
    },
    { life: 1, left: 0.08, state: "critical", why: "under two hours of a day" },
  ];
  for (const { life, left, state, why } of rows) {
    test(`${life} days, ${left} left: ${state}; ${why}`, () => {
      const notAfter = START + life * DAY;
      assert.equal(dateState({ notBefore: START, notAfter }, notAfter - left * DAY), state);
    });
  }
});
