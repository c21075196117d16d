import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { runChecks } from "#src/cli/doctor/check.ts";
import { CHECKS } from "#src/cli/doctor/checks.ts";
import type { FileFact } from "#src/cli/doctor/facts.ts";
import { parseTrustBundle } from "#src/identity/trust-bundle.ts";
import { STATUS } from "../../../fakes/admin-operations.ts";
import {
  config,
  DAY,
  factsWith,
  file,
  good,
  missing,
  NOTHING_SKIPPED,
  NOW,
  other,
  path,
  pki,
  type Row,
  resultsOf,
  STORE_ONLY,
  STORED,
  UID,
  withRole,
} from "./facts-rig.ts";
import { RENEWAL_ONLY, RENEWAL_ROWS } from "./renewal-rows.ts";
import { STORE_ROWS } from "./store-rows.ts";

test("ids are unique, stable in form, and needed ones come first", () => {
  const seen = new Set<string>();
  for (const { id, needs } of CHECKS) {
    assert.match(id, /^[a-z]+\.[a-z-]+$/);
    assert.ok(!seen.has(id), id);
    for (const need of needs) assert.ok(seen.has(need), `${id} needs ${need}`);
    seen.add(id);
  }
  // Ids are an interface: this list only grows.
  for (const id of [
    "config.valid",
    "clock.sane",
    "insecure.flags",
    "handlers.modules",
    "tls.files",
    "tls.permissions",
    "cert.readable",
    "trust.bundle",
    "cert.dates",
    "cert.key-match",
    "cert.chain",
    "cert.san",
    "cert.usage",
    "control.socket",
    "agent.alive",
    "agent.state",
    "acl.bundles",
    "acl.patterns",
    "listener.reachable",
    "agent.memory",
    "storage.read-ahead",
    "limits.memory",
    "agent.thrashing",
    ...STORE_ONLY,
    "clock.trusted",
    "trust.dates",
    "revocation.fresh",
    ...RENEWAL_ONLY,
  ]) {
    assert.ok(seen.has(id), id);
  }
});

test("a missing intermediate is mended in tls.cert, which is ours, not at some peer", async () => {
  const branch = await pki.intermediate("Branch CA");
  const facts = await factsWith(await pki.issue("d", { authority: branch }));
  const found = runChecks(CHECKS, facts, NOTHING_SKIPPED).find(({ id }) => id === "cert.chain");
  assert.match(String(found?.fix), /^append the issuer's certificate to tls\.cert/);
});

test("a good device: all ok, but what is not configured", () => {
  const results = resultsOf(good);
  assert.equal(results["handlers.modules"], "skipped");
  for (const id of STORE_ONLY) assert.equal(results[id], "skipped", id);
  for (const id of RENEWAL_ONLY) assert.equal(results[id], "skipped", id);
  const idle: readonly string[] = ["handlers.modules", ...STORE_ONLY, ...RENEWAL_ONLY];
  const rest = Object.entries(results).filter(([id]) => !idle.includes(id));
  assert.deepEqual(
    rest.filter(([, result]) => result !== "ok"),
    [],
  );
});

/** What differs from a good device, and what the check then says. */
const rows: readonly Row[] = [
  ...STORE_ROWS,
  ...RENEWAL_ROWS,
  {
    id: "config.valid",
    result: "fail",
    says: /2 problems/,
    why: "a wrong configuration",
    make: () => ({ config: missing("2 problems in x") }),
  },
  {
    id: "config.valid",
    result: "warn",
    says: /observe_until has no effect/,
    why: "a warning in it",
    make: () => ({ config: config("observe_until = 2026-06-30\n") }),
  },
  {
    id: "clock.sane",
    result: "fail",
    says: /clock says 1970/,
    why: "no clock battery",
    make: () => ({ nowMs: 60_000 }),
  },
  {
    id: "clock.sane",
    result: "ok",
    says: /2026/,
    why: "run from the sources, no build date",
    make: () => ({ builtAt: 0 }),
  },
  {
    id: "clock.sane",
    result: "warn",
    says: /after the end of this device's certificate/,
    why: "the clock is decades ahead",
    make: () => ({ nowMs: NOW + 20 * 365 * DAY }),
  },
  {
    id: "insecure.flags",
    result: "warn",
    says: /insecure_skip_verify/,
    why: "no verification",
    make: () => ({ config: config("insecure_skip_verify = true\n") }),
  },
  {
    id: "insecure.flags",
    result: "warn",
    says: /tls\.verify = "observe"/,
    why: "observing",
    make: () => ({ config: config('verify = "observe"\nobserve_until = 2026-06-30\n') }),
  },
  {
    id: "insecure.flags",
    result: "warn",
    says: /minVersion/,
    why: "old TLS",
    make: () => ({ config: config('minVersion = "1.2"\n') }),
  },
  {
    id: "handlers.modules",
    result: "fail",
    says: /no such file/,
    why: "module missing",
    make: () => ({ handlers: [{ module: "/m.mjs", file: missing("no such file") }] }),
  },
  {
    id: "handlers.modules",
    result: "fail",
    says: /written by others/,
    why: "others can put code into the agent",
    make: () => ({ handlers: [{ module: "/m.mjs", file: path("m.mjs", 0o666) }] }),
  },
  {
    id: "handlers.modules",
    result: "fail",
    says: /another user/,
    why: "another user can",
    make: () => ({ handlers: [{ module: "/m.mjs", file: { ...path("m.mjs", 0o644), uid: 7 } }] }),
  },
  {
    id: "handlers.modules",
    result: "ok",
    says: /m\.mjs/,
    why: "as it should be",
    make: () => ({ handlers: [{ module: "/m.mjs", file: path("m.mjs", 0o644) }] }),
  },
  {
    id: "tls.files",
    result: "fail",
    says: /EACCES/,
    why: "key of another user",
    make: () => ({ key: missing("EACCES: a.key", "EACCES") }),
  },
  {
    id: "tls.permissions",
    result: "fail",
    says: /mode 0640/,
    why: "the group can read the key",
    make: () => ({ key: { ...(good.key as FileFact), mode: 0o640 } }),
  },
  {
    id: "tls.permissions",
    result: "fail",
    says: /others can replace/,
    why: "anybody can replace the trust bundle",
    make: () => ({ trustFile: { ...(good.trustFile as FileFact), mode: 0o646 } }),
  },
  {
    id: "tls.permissions",
    result: "warn",
    says: /belongs to user 7/,
    why: "another user owns the certificate",
    make: () => ({ cert: { ...(good.cert as FileFact), uid: 7 } }),
  },
  {
    id: "tls.permissions",
    result: "fail",
    says: /runs as user microedge, who can't read \/etc\/microedge\/a\.key$/,
    why: "root copied the key",
    make: () => ({ uid: 0, serviceUid: 990, key: { ...(good.key as FileFact), uid: 0 } }),
  },
  {
    id: "tls.permissions",
    result: "fail",
    says: /can't read \/etc\/microedge\/keys$/,
    why: "root's own directory",
    make: () => ({
      uid: 0,
      serviceUid: UID,
      keyDirectory: { ...path("keys", 0o700, "directory"), uid: 0 },
    }),
  },
  {
    id: "tls.permissions",
    result: "ok",
    says: /mode 0600/,
    why: "the service's user owns the key; anybody may read the rest",
    make: () => ({
      uid: 0,
      serviceUid: UID,
      cert: { ...(good.cert as FileFact), uid: 0 },
      keyDirectory: { ...path("keys", 0o750, "directory"), uid: 0 },
    }),
  },
  {
    id: "tls.permissions",
    result: "ok",
    says: /mode 0600/,
    why: "systemd passes the key in",
    make: () => ({
      uid: 0,
      serviceUid: 990,
      key: {
        ...(good.key as FileFact),
        uid: 0,
        path: "/run/credentials/microedge.service/tls.key",
      },
    }),
  },
  {
    id: "cert.readable",
    result: "fail",
    says: /holds no PEM/,
    why: "an empty file",
    make: () => ({ chain: missing("tls.cert holds no PEM certificate") }),
  },
  {
    id: "trust.bundle",
    result: "fail",
    says: /every authority has expired/,
    why: "a dead root",
    make: () => ({ nowMs: NOW + 4_000 * DAY }),
  },
  {
    id: "trust.bundle",
    result: "warn",
    says: /not an authority/,
    why: "a leaf among the roots",
    make: async () => ({
      bundle: parseTrustBundle(pki.caPem + (await pki.issue("leaf")).certificatePem),
    }),
  },
  {
    id: "cert.dates",
    result: "warn",
    says: /WARNING.*20 days/,
    why: "under 30 days",
    make: () => ({ nowMs: NOW + 345 * DAY - 1 }),
  },
  {
    id: "cert.dates",
    result: "fail",
    says: /CRITICAL.*6 days/,
    why: "under 7 days",
    make: () => ({ nowMs: NOW + 359 * DAY - 1 }),
  },
  {
    id: "cert.dates",
    result: "fail",
    says: /expired 1 day ago/,
    why: "over",
    make: () => ({ nowMs: NOW + 366 * DAY + 1000 }),
  },
  {
    id: "cert.dates",
    result: "fail",
    says: /valid only from/,
    why: "not begun",
    make: () => ({ nowMs: NOW - DAY }),
  },
  {
    id: "cert.key-match",
    result: "fail",
    says: /is not the key of "CN=device-7"/,
    why: "key of another issue",
    make: async () => ({ key: file("a.key", 0o600, (await pki.issue("x")).keyPem) }),
  },
  {
    id: "cert.key-match",
    result: "fail",
    says: /no key that can be read/,
    why: "half a key",
    make: () => ({
      key: file("a.key", 0o600, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    }),
  },
  {
    id: "cert.key-match",
    result: "skipped",
    says: /hardware/,
    why: "a key that can't be read by design",
    make: () => ({ key: file("a.key", 0o600, "-----BEGIN PKCS#11 PROVIDER URI-----\n-----END") }),
  },
  {
    id: "cert.chain",
    result: "fail",
    says: /another key \(mixed CAs\)/,
    why: "go-micro's classic: two CAs of one name",
    make: () => ({ bundle: parseTrustBundle(other.caPem) }),
  },
  {
    id: "cert.chain",
    result: "fail",
    says: /unknown authority/,
    why: "the intermediate is not in the file",
    make: async () =>
      factsWith(await pki.issue("d", { authority: await pki.intermediate("Branch CA") })),
  },
  {
    id: "cert.chain",
    result: "ok",
    says: /up to "CN=Site CA"/,
    why: "the intermediate is in the file",
    make: async () => {
      const branch = await pki.intermediate("Branch CA");
      return factsWith(
        await pki.issue("d", { authority: branch, days: 365 }),
        branch.certificatePem,
      );
    },
  },
  {
    id: "cert.chain",
    result: "fail",
    says: /certificate 2 of tls\.cert .* did not issue certificate 1/,
    why: "a stranger follows the leaf",
    make: async () =>
      factsWith(await pki.issue("d"), (await pki.intermediate("Stranger")).certificatePem),
  },
  {
    id: "cert.san",
    result: "fail",
    says: /no host name and no IP address/,
    why: "only a SPIFFE ID",
    make: async () => factsWith(await pki.issue("d", { sans: { uri: ["spiffe://a/b"] } })),
  },
  {
    id: "cert.san",
    result: "warn",
    says: /but not 127\.0\.0\.1, where the agent listens/,
    why: "another name than the address",
    make: async () => factsWith(await pki.issue("d", { sans: { dns: ["gw.local"] } })),
  },
  {
    id: "cert.usage",
    result: "fail",
    says: /not for use as a client/,
    why: "go-micro services call and are called",
    make: async () => factsWith(await pki.issue("d", { usages: ["server"] })),
  },
  {
    id: "control.socket",
    result: "ok",
    says: /will be made at start/,
    why: "no agent yet",
    make: () => ({ socket: missing("ENOENT", "ENOENT") }),
  },
  {
    id: "control.socket",
    result: "fail",
    says: /not a socket/,
    why: "a file has the name",
    make: () => ({ socket: path("control.sock", 0o600) }),
  },
  {
    id: "control.socket",
    result: "fail",
    says: /open to others/,
    why: "somebody changed its mode",
    make: () => ({ socket: path("control.sock", 0o666, "socket") }),
  },
  {
    id: "control.socket",
    result: "fail",
    says: /others can write to/,
    why: "anybody can replace it",
    make: () => ({ socketDirectory: path("", 0o777, "directory") }),
  },
  {
    id: "control.socket",
    result: "ok",
    says: /control\.sock/,
    why: "in a sticky directory they can't",
    make: () => ({ socketDirectory: path("", 0o1777, "directory") }),
  },
  {
    id: "control.socket",
    result: "warn",
    says: /belongs to user 7/,
    why: "we may not use it",
    make: () => ({ socket: { ...path("control.sock", 0o600, "socket"), uid: 7 } }),
  },
  {
    id: "agent.alive",
    result: "fail",
    says: /not running/,
    why: "dead",
    make: () => ({ agent: missing("the agent is not running") }),
  },
  {
    id: "agent.state",
    result: "fail",
    says: /waits for 192\.0\.2\.1:1: EADDRNOTAVAIL/,
    why: "its address is not there yet",
    make: () => ({
      agent: {
        ...STATUS,
        state: "waiting",
        listener: { address: "192.0.2.1:1", listen: undefined, waitingFor: "EADDRNOTAVAIL" },
      },
    }),
  },
  {
    id: "agent.state",
    result: "fail",
    says: /waits for a certificate: the certificate store is empty/,
    why: "a new device; its address is not at fault",
    make: () => ({
      agent: {
        ...STATUS,
        state: "waiting",
        listener: { address: "192.0.2.1:1", listen: undefined, waitingFor: "empty" },
        identity: { ...STORED, generation: 0, state: undefined },
      },
    }),
  },
  {
    id: "agent.state",
    result: "ok",
    says: /^1 peer connected$/,
    why: "one is not many",
    make: () => ({ agent: { ...STATUS, connections: 1 } }),
  },
  {
    id: "agent.state",
    result: "warn",
    says: /draining/,
    why: "stopping",
    make: () => ({ agent: { ...STATUS, state: "draining" } }),
  },
  {
    id: "agent.state",
    result: "warn",
    says: /newer TLS files are not in use: bad key/,
    why: "a bad replacement",
    make: () => ({ agent: { ...STATUS, tls: { ...STATUS.tls, refused: "bad key" } } }),
  },
  {
    id: "listener.reachable",
    result: "fail",
    says: /refused/,
    why: "a firewall",
    make: () => ({ handshake: { address: "a:1", good: false, words: "refused", fix: undefined } }),
  },
  {
    id: "acl.bundles",
    result: "fail",
    says: /acl\.trust_domain\[0\]\.ca can't be used \(and 1 more\)/,
    why: "a bundle that is not there",
    make: () => ({ domainFaults: ["acl.trust_domain[0].ca can't be used", "another"] }),
  },
  {
    id: "acl.patterns",
    result: "warn",
    says: /role r: gone\/\* matches no endpoint that is served/,
    why: "a pattern that gives nothing",
    make: () => ({ config: withRole("gone/*") }),
  },
  {
    id: "acl.patterns",
    result: "warn",
    says: /role r: microedge\/\* matches only write endpoints, which the role does not give/,
    why: "a pattern that gives only reading",
    make: () => ({
      config: withRole("microedge/*"),
      served: [{ service: "microedge", endpoint: "A.B", kind: "write" }],
    }),
  },
  {
    id: "acl.patterns",
    result: "ok",
    says: /1 roles, 0 peer rules/,
    why: "the endpoint is named",
    make: () => ({
      config: withRole("microedge/A.B"),
      served: [{ service: "microedge", endpoint: "A.B", kind: "write" }],
    }),
  },
  {
    id: "acl.patterns",
    result: "skipped",
    says: /nobody answers/,
    why: "the agent does not run",
    make: () => ({
      config: withRole("gone/*"),
      served: { missing: "nobody answers", code: undefined },
    }),
  },
  {
    id: "storage.read-ahead",
    result: "warn",
    says: /8192 KiB on device 8:0/,
    why: "read-ahead of a server",
    make: () => ({ readAhead: { device: "8:0", kib: 8192, setting: "/sys/x" } }),
  },
  {
    id: "storage.read-ahead",
    result: "skipped",
    says: /no read-ahead is known/,
    why: "the program lies in memory",
    make: () => ({ readAhead: { missing: "no read-ahead is known for it", code: undefined } }),
  },
  {
    id: "limits.memory",
    result: "warn",
    says: /need a memory limit of 54 MiB, and it is 48 MiB/,
    why: "the unit allows too little",
    make: () => ({
      agent: { ...STATUS, memory: { ...STATUS.memory, limit: 48 * 1024 * 1024 } },
    }),
  },
  {
    id: "limits.memory",
    result: "skipped",
    says: /no memory limit is known/,
    why: "nothing limits the agent",
    make: () => ({ agent: STATUS }),
  },
  {
    id: "agent.thrashing",
    result: "warn",
    says: /900 page faults a second, memory is shedding/,
    why: "its pages are pushed out",
    make: () => ({
      agent: {
        ...STATUS,
        memory: { ...STATUS.memory, level: "shedding", majorFaultsPerSecond: 900 },
      },
    }),
  },
  {
    id: "agent.memory",
    result: "warn",
    says: /200\.0 MB resident/,
    why: "a leak",
    make: () => ({
      agent: {
        ...STATUS,
        memory: {
          rss: 200_000_000,
          heapUsed: 1,
          anon: 20 * 1024 * 1024,
          limit: undefined,
          level: "calm",
          majorFaults: 0,
          majorFaultsPerSecond: 0,
          shedCalls: 0,
          closedConnections: 0,
        },
      },
    }),
  },
];

suite("each check", () => {
  for (const { id, result, says, why, make } of rows) {
    test(`${id} ${result}: ${why}`, async () => {
      const items = runChecks(CHECKS, { ...good, ...(await make()) }, NOTHING_SKIPPED);
      const item = items.find((each) => each.id === id);
      assert.equal(item?.result, result, item?.reason);
      assert.match(item?.reason ?? "", says);
      assert.equal(item?.fix !== undefined, result === "warn" || result === "fail", "has a fix");
    });
  }

  test("every check was seen to find something", () => {
    const seen = new Set(rows.filter(({ result }) => result !== "ok").map(({ id }) => id));
    assert.deepEqual(
      CHECKS.map(({ id }) => id).filter((id) => !seen.has(id)),
      [],
    );
  });
});

suite("together", () => {
  test("nothing hides the rest: all bad at once, each with its own verdict", () => {
    const nothing = missing("not there");
    const results = resultsOf({
      ...good,
      nowMs: 0,
      config: nothing,
      cert: nothing,
      key: nothing,
      trustFile: nothing,
      chain: nothing,
      bundle: nothing,
      socket: nothing,
      socketDirectory: nothing,
      agent: nothing,
      handshake: nothing,
    });
    assert.equal(Object.keys(results).length, CHECKS.length);
    assert.deepEqual([results["config.valid"], results["clock.sane"]], ["fail", "fail"]);
    assert.equal(results["cert.dates"], "skipped");
  });

  test("the agent dead: certificates are judged all the same", () => {
    const results = resultsOf({ ...good, agent: missing("dead"), handshake: missing("dead") });
    assert.deepEqual(
      [results["agent.alive"], results["listener.reachable"], results["cert.dates"]],
      ["fail", "skipped", "ok"],
    );
  });

  test("--skip leaves out one, not those that need it", () => {
    const results = resultsOf(good, new Set(["tls.files"]));
    assert.deepEqual([results["tls.files"], results["cert.dates"]], ["skipped", "ok"]);
  });

  test("a check with a bug fails by itself", () => {
    const broken = {
      id: "a.b",
      title: "",
      needs: [],
      judge: (): never => {
        throw new TypeError("oops");
      },
    };
    const [item, next] = runChecks(
      [broken, { ...broken, id: "c.d", judge: () => ({ result: "ok", reason: "" }) }],
      good,
      NOTHING_SKIPPED,
    );
    assert.deepEqual([item?.result, next?.result], ["fail", "ok"]);
    assert.match(item?.reason ?? "", /oops/);
  });
});
