/**
 * A good device as `doctor` sees it, and ways to be otherwise.
 */
import { parseConfig } from "#src/agent/config.ts";
import { type CheckResult, runChecks } from "#src/cli/doctor/check.ts";
import { CHECKS } from "#src/cli/doctor/checks.ts";
import type { Facts, FileFact, Missing, PathFact } from "#src/cli/doctor/facts.ts";
import { spkiSha256 } from "#src/identity/keys/sealed-key-provider.ts";
import { parseTrustBundle } from "#src/identity/trust-bundle.ts";
import { type Certificate, parseCertificate } from "#src/identity/x509/certificate.ts";
import type { Issued } from "#src/identity/x509/issue.ts";
import type { ClockView } from "#src/sidecar/admin-operations.ts";
import type { IdentityView, StoreView } from "#src/sidecar/certificate-operations.ts";
import type { CrlView, RevocationView } from "#src/sidecar/revocation-view.ts";
import { STATUS } from "../../../fakes/admin-operations.ts";
import { testPki } from "../../../fakes/certificates.ts";

export const DAY = 86_400_000;
export const NOW = Date.UTC(2026, 5, 1);
export const UID = 1000;
/** Skipped with [tls] files. */
export const STORE_ONLY: readonly string[] = [
  ...["store.usable", "store.permissions", "store.whole", "store.wear", "store.reserve"],
  ...["key.location", "identity.state"],
];
export const STORE: StoreView = {
  dir: "/var/lib/microedge/store",
  writable: true,
  fault: undefined,
  healed: [],
  reserveBytes: 65_536,
  wear: { bytesWritten: 9_000, syncs: 9, bytesToday: 9_000, budgetBytesPerDay: 4_194_304 },
};
export const STORED: IdentityView = {
  ...(STATUS.identity as IdentityView),
  state: "ACTIVE",
  words: "generation 7 is in force and confirmed by its peers",
  store: STORE,
};
export const CLOCK: ClockView = {
  state: "network",
  nowMs: NOW,
  offsetMs: 0,
  floorMs: NOW - 100 * DAY,
  clockWrong: false,
  words: undefined,
  floorSource: "build",
  timeService: "systemd-timesyncd has set the clock",
};
export const REVOCATION: RevocationView = {
  crl: "soft",
  ocsp: "off",
  sources: [],
  ocspAnswers: 0,
  ocspFaults: [],
  stapleEndsAt: undefined,
  denied: 0,
  deniedEnded: [],
  cut: 0,
};
export const NOTHING_SKIPPED: ReadonlySet<string> = new Set();

export const path = (name: string, mode: number, kind: PathFact["kind"] = "file"): PathFact => ({
  path: `/etc/microedge/${name}`,
  kind,
  mode,
  uid: UID,
});
export const missing = (reason: string, code?: string): Missing => ({ missing: reason, code });

export function config(more = "") {
  return parseConfig(
    `[rpc]\nlisten = "127.0.0.1:8443"\n[tls]\ncert = "a.crt"\nkey = "a.key"\nca = "ca.crt"\n${more}`,
    "/etc/microedge/microedge.toml",
    { environment: {}, root: false, nowMs: () => NOW },
  );
}

export function withRole(pattern: string) {
  return config(`[[acl.role]]\nname = "r"\nallow = ["${pattern}"]\n`);
}

export function file(name: string, mode: number, text: string): FileFact {
  return { ...path(name, mode), text };
}

export async function factsWith(leaf: Issued, above = ""): Promise<Facts> {
  const chain = [leaf.certificatePem, ...(above === "" ? [] : [above])];
  return {
    nowMs: NOW,
    builtAt: NOW - 100 * DAY,
    uid: UID,
    serviceUid: undefined,
    config: config(),
    cert: file("a.crt", 0o644, leaf.certificatePem),
    key: file("a.key", 0o600, leaf.keyPem),
    keyDirectory: path("", 0o755, "directory"),
    trustFile: file("ca.crt", 0o644, pki.caPem),
    chain: chain.map((pem) => parseCertificate(pem)),
    bundle: parseTrustBundle(pki.caPem),
    ...withoutStore(),
    clock: CLOCK,
    socketDirectory: path("", 0o755, "directory"),
    socket: path("control.sock", 0o600, "socket"),
    handlers: [],
    issuerSecrets: [],
    domainFaults: [],
    served: [],
    agent: {
      ...STATUS,
      revocation: REVOCATION,
      memory: { ...STATUS.memory, limit: 64 * 1024 * 1024 },
    },
    readAhead: { device: "179:0", kib: 128, setting: "/sys/dev/block/179:0/queue/read_ahead_kb" },
    handshake: { address: "127.0.0.1:40001", good: true, words: "TLS 1.3", fix: undefined },
  };
}

export function withoutStore() {
  const none = missing("there is no certificate store");
  const identity: IdentityView = {
    ...{ source: "files", generation: undefined, state: undefined, words: undefined },
    ...{ notAfter: undefined, serial: undefined, spiffeId: undefined, epoch: undefined },
    store: undefined,
  };
  return { identity, ownKey: none, sealing: none, storeDirectory: none };
}

/** The good device with its certificate in a store. */
export function stored(identity: Partial<IdentityView> = {}): Partial<Facts> {
  const [leaf] = good.chain as readonly Certificate[];
  const key = spkiSha256((leaf as Certificate).publicKey);
  const none = missing("not configured");
  return {
    config: parseConfig(
      '[rpc]\nlisten = "127.0.0.1:8443"\n[store]\ndir = "store"\n',
      "/etc/microedge/microedge.toml",
      { environment: {}, root: false, nowMs: () => NOW },
    ),
    ...{ cert: none, key: none, trustFile: none, keyDirectory: none },
    identity: { ...STORED, ...identity },
    ownKey: { algorithm: "ecdsa-p256", spkiSha256: key, location: "sealed in the store" },
    sealing: { kind: "tpm2", description: "TPM object 0x81000001" },
    storeDirectory: { path: STORE.dir, kind: "directory", mode: 0o700, uid: UID },
  };
}

/** A list of the agent that has run out. */
export function staleList(crl: RevocationView["crl"]): Partial<Facts> {
  const list: CrlView = {
    ...{ issuer: "CN=Site CA", number: "7", thisUpdate: NOW - 9 * DAY, nextUpdate: NOW - DAY },
    ...{ state: "stale", words: "1 day out of date", revoked: 2, bytes: 900 },
  };
  const source = { source: "/crl.pem", fault: undefined, checkedAt: NOW, lists: [list] };
  return { agent: { ...STATUS, revocation: { ...REVOCATION, crl, sources: [source] } } };
}

export function resultsOf(facts: Facts, skip = NOTHING_SKIPPED): Record<string, CheckResult> {
  return Object.fromEntries(runChecks(CHECKS, facts, skip).map(({ id, result }) => [id, result]));
}

export const pki = await testPki("Site CA", NOW);
/** Another authority of the same name. */
export const other = await testPki("Site CA", NOW);
export const good = await factsWith(await pki.issue("device-7", { days: 365 }));

/** What differs from a good device, and what the check then says. */
export interface Row {
  readonly id: string;
  readonly result: CheckResult;
  readonly says: RegExp;
  readonly why: string;
  make(): Partial<Facts> | Promise<Partial<Facts>>;
}
