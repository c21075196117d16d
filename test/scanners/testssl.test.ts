/**
 * testssl.sh against the real port: TLS 1.3 and nothing else, and not one known weakness. It knows no
 * client certificate; what a peer with one can negotiate, sslyze asks.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import type { AgentProcess } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";
import { startScanned, WITHOUT_SCANNERS } from "./port.ts";

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

/** A minute on two idle cores. */
const TIMEOUT_MS = 240_000;

const PROTOCOLS: Readonly<Record<string, RegExp>> = {
  SSLv2: /^not offered$/,
  SSLv3: /^not offered$/,
  TLS1: /^not offered$/,
  TLS1_1: /^not offered$/,
  TLS1_2: /^not offered$/,
  TLS1_3: /^offered with final$/,
  NPN: /^not offered$/,
  ALPN: /^not offered$/,
};

const WEAKNESSES = [
  ...["heartbleed", "CCS", "ticketbleed", "ROBOT", "secure_renego", "secure_client_renego"],
  ...["CRIME_TLS", "BREACH", "POODLE_SSL", "fallback_SCSV", "FREAK", "DROWN", "LOGJAM", "BEAST"],
  ...["LUCKY13", "RC4"],
];

/** About the scanner itself, and hints that are no findings. */
const ASIDES = new Set(["engine_problem", "service", "pre_128cipher", "scanTime", "DROWN_hint"]);

suite("testssl", { skip: WITHOUT_SCANNERS }, () => {
  let agent: AgentProcess;
  before(async () => {
    agent = await startScanned();
  });
  after(() => agent.stop());

  test("TLS 1.3 is offered and nothing else, and no weakness is found", async () => {
    const report = `${agent.site.directory}/testssl.json`;
    const quiet = ["--quiet", "--color", "0", "--warnings", "off", "--openssl-timeout", "3"];
    await run(
      ["testssl", ...quiet, "--jsonfile", report, "--ip", "one", "-p", "-U", agent.listen],
      { timeoutMs: TIMEOUT_MS },
    );
    const findings = JSON.parse(readFileSync(report, "utf8")) as readonly Finding[];
    const found = new Map(findings.map((finding) => [finding.id, finding]));
    for (const [id, words] of Object.entries(PROTOCOLS)) {
      assert.match(found.get(id)?.finding ?? `${id} was not looked at`, words, id);
    }
    for (const id of WEAKNESSES) assert.equal(found.get(id)?.severity, "OK", id);
    const rest = findings.filter(
      ({ id, severity }) => severity !== "OK" && !ASIDES.has(id) && !(id in PROTOCOLS),
    );
    assert.deepEqual(rest, []);
  });
});
