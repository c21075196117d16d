/** sslyze against the real port, without and with a client certificate: exactly what we offer, nothing else. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import type { AgentProcess } from "../fakes/agent-process.ts";
import { run } from "../fakes/child.ts";
import { PYTHON, startScanned, WITHOUT_SCANNERS } from "./port.ts";

const SCANS = [
  ...["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--elliptic_curves"],
  ...["--reneg", "--resum", "--compression", "--early_data", "--heartbleed", "--openssl_ccs"],
  ...["--robot", "--fallback"],
];

interface Scan {
  readonly status: string;
  readonly result: Readonly<Record<string, unknown>> | null;
}

const OLD = { is_tls_version_supported: false, accepted_cipher_suites: [] };
const EXPECTED: Readonly<Record<string, object>> = {
  ssl_2_0_cipher_suites: OLD,
  ssl_3_0_cipher_suites: OLD,
  tls_1_0_cipher_suites: OLD,
  tls_1_1_cipher_suites: OLD,
  tls_1_2_cipher_suites: OLD,
  tls_1_3_cipher_suites: {
    is_tls_version_supported: true,
    accepted_cipher_suites: [
      "TLS_AES_128_GCM_SHA256",
      "TLS_AES_256_GCM_SHA384",
      "TLS_CHACHA20_POLY1305_SHA256",
    ],
  },
  // it does not know the post-quantum hybrid
  elliptic_curves: { supported_curves: ["X25519", "secp256r1", "secp384r1"] },
  tls_compression: { supports_compression: false },
  tls_1_3_early_data: { supports_early_data: false },
  openssl_ccs_injection: { is_vulnerable_to_ccs_injection: false },
  heartbleed: { is_vulnerable_to_heartbleed: false },
  tls_fallback_scsv: { supports_fallback_scsv: true },
  robot: { robot_result: "NOT_VULNERABLE_RSA_NOT_SUPPORTED" },
  session_renegotiation: {
    supports_secure_renegotiation: true,
    is_vulnerable_to_client_renegotiation_dos: false,
  },
  session_resumption: {
    session_id_resumption_result: "SERVER_IS_TLS_1_3_ONLY",
    tls_ticket_resumption_result: "SERVER_IS_TLS_1_3_ONLY",
  },
};

/** What is expected of a result, in the same shape: names of suites and curves, sorted. */
function asExpected(expected: object, result: Scan["result"]): object {
  return Object.fromEntries(
    Object.keys(expected).map((key) => {
      const value = result?.[key];
      return [key, Array.isArray(value) ? value.map(nameOf).sort() : value];
    }),
  );
}

function nameOf(item: { name?: string; cipher_suite?: { name: string } }): string {
  return item.cipher_suite?.name ?? item.name ?? JSON.stringify(item);
}

suite("sslyze", { skip: WITHOUT_SCANNERS }, () => {
  let agent: AgentProcess;
  before(async () => {
    agent = await startScanned();
  });
  after(() => agent.stop());

  for (const who of ["a stranger", "a peer"] as const) {
    test(`what ${who} can negotiate is what we mean to offer`, async () => {
      const { cert, key } = await agent.site.issue("scanner");
      const identity = who === "a peer" ? ["--cert", cert, "--key", key] : [];
      const report = `${agent.site.directory}/${who.replace(" ", "-")}.json`;
      const args = ["-m", "sslyze", `--json_out=${report}`, ...identity, ...SCANS, agent.listen];
      await run([PYTHON, ...args], { timeoutMs: 90_000 });
      const [server] = JSON.parse(readFileSync(report, "utf8")).server_scan_results;
      assert.equal(server.scan_status, "COMPLETED");
      const scans = server.scan_result as Readonly<Record<string, Scan>>;
      const made = Object.keys(scans).filter((name) => scans[name]?.status !== "NOT_SCHEDULED");
      assert.deepEqual(made.sort(), Object.keys(EXPECTED).sort(), "every scan that was asked for");
      for (const [name, expected] of Object.entries(EXPECTED)) {
        assert.equal(scans[name]?.status, "COMPLETED", name);
        assert.deepEqual(asExpected(expected, scans[name]?.result ?? null), expected, name);
      }
    });
  }

  test("with a budget for failed handshakes its address is soon turned away before TLS", async () => {
    const usual = await startScanned("failed_handshakes = { rate = 10, burst = 100 }");
    try {
      const args = ["-m", "sslyze", ...SCANS, usual.listen] as const;
      await run([PYTHON, ...args], { timeoutMs: 90_000 });
      const refused = await usual.event("connection.refused");
      assert.equal(refused["cause"], "failed-handshakes");
    } finally {
      await usual.stop();
    }
  });
});
