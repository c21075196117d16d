import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseDays, parseFileName } from "#src/cli/pki/options.ts";
import { parseSubjectNames } from "#src/cli/pki/subject-names.ts";

suite("--san", () => {
  test("kinds, commas and repetition", () => {
    assert.deepEqual(
      parseSubjectNames([
        "dns:a.example,ip:192.0.2.7",
        "ip:2001:db8::1",
        "uri:spiffe://lab/gw",
        "dns:*.b",
      ]),
      { dns: ["a.example", "*.b"], ip: ["192.0.2.7", "2001:db8::1"], uri: ["spiffe://lab/gw"] },
    );
  });

  const bad = [
    { san: "localhost", says: /must begin with dns:, ip: or uri:/, why: "no kind" },
    { san: "email:a@b", says: /must begin with/, why: "a kind that we do not issue" },
    { san: "dns:192.0.2.7", says: /is an IP address: write ip:/, why: "the classic mistake" },
    { san: "ip:localhost", says: /not an IP address/, why: "the other way round" },
    { san: "dns:a b", says: /not a host name/, why: "a space" },
    { san: "dns:", says: /not a host name/, why: "empty" },
    { san: "dns:a,", says: /must begin with/, why: "a comma too many" },
    { san: "uri:spiffe", says: /not a URI/, why: "no scheme" },
    { san: "uri:spiffe:///path", says: /--san uri:spiffe:\/\/\/path /, why: "no trust domain" },
  ];
  for (const { san, says, why } of bad) {
    test(`${san}: ${why}`, () =>
      assert.throws(() => parseSubjectNames([san]), { code: "ERR_USAGE", message: says }));
  }
});

suite("NAME and --days", () => {
  for (const name of ["", "../ca", "a/b", ".hidden", "-x", "x".repeat(65), "a\n"]) {
    test(`"${name.slice(0, 9)}" is not the beginning of a file name`, () =>
      assert.throws(() => parseFileName(name), { code: "ERR_USAGE" }));
  }
  test("but host names are", () => assert.equal(parseFileName("gw-1.site_2"), "gw-1.site_2"));

  for (const days of ["0", "-1", "1.5", "many", "3651", "1e3", " 1"]) {
    test(`--days "${days}" is refused`, () =>
      assert.throws(() => parseDays(days, 5, 3650), { code: "ERR_USAGE", message: /1 to 3650/ }));
  }
  test("bounds are inclusive, absent is the default", () =>
    assert.deepEqual(
      [parseDays("1", 5, 9), parseDays("9", 5, 9), parseDays(undefined, 5, 9)],
      [1, 9, 5],
    ));
});
