import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseConfig } from "#src/agent/config.ts";
import { ConfigError } from "#src/agent/config-problem.ts";

const PIN = "ab".repeat(32);
const STEP = `kind = "step-ca"\nurl = "https://ca.test:9000"\nroot_sha256 = "${PIN}"\n`;

function load(issuer: string, rest = '[store]\ndir = "store"\n') {
  const text = `${rest}[issuer]\n${issuer}`;
  const place = { environment: {}, root: false, nowMs: () => Date.UTC(2026, 5, 1) };
  return parseConfig(text, "/srv/microedge.toml", place).config.issuer;
}

suite("[issuer]", () => {
  test("nothing said: nobody is asked", () => assert.equal(load("").kind, undefined));

  test("step-ca", () => {
    const { kind, url, rootSha256, announcedRoots } = load(STEP);
    assert.deepEqual(
      [kind, url, rootSha256, announcedRoots],
      ["step-ca", "https://ca.test:9000", PIN, true],
    );
  });

  test("est with label, password and names", () => {
    const more =
      'est_label = "roofs"\nusername = "u"\npassword_file = "pw"\ncommon_name = "r"\ndns_names = "a.test,b.test"\nspiffe_id = "spiffe://d.test/r"\n';
    const { passwordFile, estLabel } = load(STEP.replace("step-ca", "est") + more);
    assert.deepEqual([passwordFile, estLabel], ["/srv/pw", "roofs"]);
  });

  test("file", () => {
    const { csrDir, roots } = load('kind = "file"\ncsr_dir = "/media/stick"\nroots = "ca.pem"\n');
    assert.deepEqual([csrDir, roots], ["/media/stick", "/srv/ca.pem"]);
  });

  const FILES = '[tls]\ncert = "c"\nkey = "k"\nca = "a"\n';
  const bad: readonly { why: string; toml: string; rest?: string; key: string; words: RegExp }[] = [
    {
      why: "no kind",
      toml: STEP.replace(/^kind.*\n/, ""),
      key: "issuer.kind",
      words: /is missing: issuer\.url needs it/,
    },
    {
      why: "an unknown kind",
      toml: 'kind = "scep"',
      key: "issuer.kind",
      words: /"step-ca", "est", "file"/,
    },
    { why: "no store", toml: STEP, rest: FILES, key: "issuer.kind", words: /needs store\.dir/ },
    {
      why: "no address",
      toml: `kind = "est"\nroot_sha256 = "${PIN}"`,
      key: "issuer.url",
      words: /is missing/,
    },
    {
      why: "plain HTTP",
      toml: STEP.replace("https", "http"),
      key: "issuer.url",
      words: /https:\/\//,
    },
    {
      why: "a user in the address",
      toml: STEP.replace("ca.test", "me@ca.test"),
      key: "issuer.url",
      words: /without user/,
    },
    {
      why: "no pin",
      toml: 'kind = "step-ca"\nurl = "https://ca.test"',
      key: "issuer.root_sha256",
      words: /nothing is trusted on first use/,
    },
    {
      why: "a pin that is cut off",
      toml: STEP.replace(PIN, PIN.slice(2)),
      key: "issuer.root_sha256",
      words: /64 hexadecimal/,
    },
    {
      why: "a user without password",
      toml: `${STEP}username = "u"`,
      key: "issuer.password_file",
      words: /go together/,
    },
    {
      why: "a birth certificate without key",
      toml: `${STEP.replace("step-ca", "est")}birth_cert = "b"`,
      key: "issuer.birth_key",
      words: /go together/,
    },
    {
      why: "a file without directory",
      toml: 'kind = "file"\nroots = "ca.pem"',
      key: "issuer.csr_dir",
      words: /is missing/,
    },
    {
      why: "a file without roots",
      toml: 'kind = "file"\ncsr_dir = "d"',
      key: "issuer.roots",
      words: /whose certificates/,
    },
  ];
  for (const { why, toml, rest, key, words } of bad) {
    test(`refused: ${why}`, () =>
      assert.throws(
        () => load(toml, rest),
        (error: unknown) => {
          assert.ok(error instanceof ConfigError);
          const [problem, ...more] = error.problems;
          assert.deepEqual([problem?.key, more.length], [key, 0]);
          assert.match(problem?.message ?? "", words);
          return true;
        },
      ));
  }
});
