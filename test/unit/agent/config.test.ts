import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { type ConfigPlace, loadConfig, parseConfig } from "#src/agent/config.ts";
import { ConfigError } from "#src/agent/config-problem.ts";
import { UNIT_STOP_MS } from "#src/agent/config-rules.ts";
import { configEntries } from "#src/agent/config-view.ts";
import { isAgentError } from "#src/base/errors.ts";

const FILE = "/srv/device/microedge.toml";
const NOW = Date.UTC(2026, 5, 1, 12);
const TLS = '[tls]\ncert = "server.crt"\nkey = "server.key"\nca = "ca.crt"\n';

type Environment = Readonly<Record<string, string>>;

function load(toml: string, environment: Environment = {}, nowMs = NOW, root = false) {
  return parseConfig(toml, FILE, { environment, root, nowMs: () => nowMs });
}

/** Every problem as `line key message`. */
function problems(toml: string, environment: Environment = {}, nowMs = NOW): readonly string[] {
  try {
    load(toml, environment, nowMs);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.code, "ERR_CONFIG_INVALID");
    return error.problems.map(({ key, message, line }) => `${line ?? "-"} ${key} ${message}`);
  }
  return [];
}

suite("a good configuration", () => {
  test("the smallest has every default, absolute paths and camel-case names with units", () => {
    const { config, warnings } = load(TLS);
    assert.deepEqual(config.tlsFiles, {
      certPath: "/srv/device/server.crt",
      keyPath: "/srv/device/server.key",
      caPath: "/srv/device/ca.crt",
    });
    assert.deepEqual(config.rpc.listen, { host: "127.0.0.1", port: 8443 });
    assert.equal(config.service.name, "microedge");
    assert.equal(config.rpc.maxBodyBytes, 4_194_304);
    assert.equal(config.client.nodeRestMs, 5_000);
    assert.deepEqual(config.verification, {
      inbound: "enforce",
      outbound: "enforce",
      insecurities: [],
    });
    assert.deepEqual([config.registry.static, config.handlers, warnings], [[], [], []]);
  });

  test("lists keep their order and fill their defaults", () => {
    const { config } = load(`${TLS}
[[registry.static]]
service = "greeter"
addresses = ["10.0.0.1:9000", "[fd00::1]:9000"]
[[registry.static]]
service = "clock"
addresses = ["clock.example:1"]
server_name = "clock.internal"
[[handlers]]
module = "greeter.mjs"
`);
    assert.deepEqual(config.registry.static, [
      {
        service: "greeter",
        addresses: [
          { host: "10.0.0.1", port: 9000 },
          { host: "fd00::1", port: 9000 },
        ],
        serverName: undefined,
        version: "latest",
      },
      {
        service: "clock",
        addresses: [{ host: "clock.example", port: 1 }],
        serverName: "clock.internal",
        version: "latest",
      },
    ]);
    assert.deepEqual(config.handlers, [{ module: "/srv/device/greeter.mjs", service: undefined }]);
  });

  const accepted = [
    { toml: `${TLS}min_version = "1.2"`, key: "tls.minVersion", value: "1.2", why: "alias" },
    { toml: `${TLS}minVersion = "1.2"`, key: "tls.minVersion", value: "1.2", why: "own name" },
    { toml: `rpc.listen = "[::1]:0"\n${TLS}`, key: "rpc.listen", value: "[::1]:0", why: "dotted" },
    {
      toml: `${TLS}verify = "observe"\nobserve_until = 2026-06-30`,
      key: "tls.observe_until",
      value: "2026-06-30T23:59:59.999Z",
      why: "a day includes its last moment",
    },
    {
      toml: `${TLS}verify = "observe"\nobserve_until = 2026-06-30T10:00:00+02:00`,
      key: "tls.observe_until",
      value: "2026-06-30T08:00:00.000Z",
      why: "a moment with its zone",
    },
    {
      toml: `${TLS}verify = "observe"\nobserve_until = "2026-06-30"`,
      key: "tls.observe_until",
      value: "2026-06-30T23:59:59.999Z",
      why: "quoted dates are what people write",
    },
    {
      toml: `${TLS}[client]\nproxy = "http://me:secret@proxy.example:3128"`,
      key: "client.proxy",
      value: "http://***@proxy.example:3128",
      why: "credentials are never shown",
    },
  ];
  for (const { toml, key, value, why } of accepted) {
    test(`${key}: ${why}`, () => {
      const entry = configEntries(load(toml)).find((each) => each.key === key);
      assert.equal(entry?.value, value);
      assert.equal(entry?.source, "file");
    });
  }
});

suite("a bad configuration names the key, what is allowed, and the line", () => {
  const rows = [
    { toml: "[rpc]\nlisten = 5", is: /^2 rpc\.listen must be "host:port" .*, not a whole number$/ },
    { toml: '[rpc]\nlisten = "8443"', is: /^2 rpc\.listen must be "host:port" with a port from 0/ },
    { toml: '[rpc]\nlisten = "[::1]"', is: /^2 rpc\.listen must be/ },
    { toml: '[rpc]\nlisten = "a:65536"', is: /^2 rpc\.listen must be/ },
    { toml: '[rpc]\nlisten = "::1:80"', is: /^2 rpc\.listen must be .* in brackets/ },
    {
      toml: "[rpc]\nmax_body_bytes = 1023",
      is: /^2 rpc\.max_body_bytes must be a whole number from 1024 to 67108864 \(bytes\)$/,
    },
    { toml: '[rpc]\nmax_body_bytes = "4MB"', is: /\(bytes\), not a string$/ },
    { toml: "[rpc]\nmax_body_bytes = 4e6", is: /\(bytes\), not a decimal number$/ },
    { toml: "[rpc]\nmax_streams = 9223372036854775807", is: /whole number from 1 to 10000$/ },
    { toml: "[rpc]\nidle_timeout_ms = -1", is: /whole number from 1000 to 3600000 \(ms\)$/ },
    {
      toml: '[rpc]\ninsecure_plaintext = "true"',
      is: /true or false without quotes, not a string/,
    },
    { toml: '[log]\nlevel = "verbose"', is: /^2 log\.level must be one of "debug", "info"/ },
    { toml: "[log]\nlevel = [1]", is: /not an array$/ },
    { toml: "[log]\nlevel = {}", is: /not a table$/ },
    { toml: '[service]\nname = "a b"', is: /^2 service\.name must be 1 to 128 letters/ },
    { toml: '[service]\nname = ""', is: /^2 service\.name must be/ },
    { toml: '[control]\nsocket = ""', is: /^2 control\.socket must be a path$/ },
    { toml: '[control]\nsocket = "a\\u0000b"', is: /^2 control\.socket must be a path$/ },
    {
      toml: `[control]\nsocket = "/${"s".repeat(107)}"`,
      is: /^2 control\.socket is too long.*107/,
    },
    {
      toml: '[client]\nproxy = "socks5://h:1"',
      is: /^2 client\.proxy must be "http:\/\/host:port"/,
    },
    { toml: '[client]\nproxy = "h:1"', is: /^2 client\.proxy must be/ },
    { toml: '[rpc]\nlisen = "x"', is: /^2 rpc\.lisen is not a key: did you mean listen\?$/ },
    { toml: "[rpc]\nmaxBodyBytes = 1", is: /did you mean max_body_bytes\?$/ },
    {
      toml: "[log]\nmax_streams = 1",
      is: /^2 log\.max_streams is not a key: it belongs in \[rpc\]$/,
    },
    { toml: "[log]\nzzzzzz = 1", is: /^2 log\.zzzzzz is not a key: known are level, format$/ },
    { toml: "[tsl]\ncert = 1", is: /^1 tsl is not a section: did you mean tls\?$/ },
    { toml: "[zzzzzzzz]", is: /^1 zzzzzzzz is not a section: known are service, rpc/ },
    {
      toml: 'listen = "a:1"',
      is: /^1 listen is not a key here: put it into \[rpc\] or \[metrics\]$/,
    },
    { toml: "rpc = 5", is: /^1 rpc must be a section, \[rpc\]$/ },
    { toml: "registry = 5", is: /^1 registry must be a section, \[registry\]$/ },
    {
      toml: "[registry.static]",
      is: /^1 registry\.static must be an array of tables: write \[\[reg/,
    },
    { toml: "[registry]\nstatik = 1", is: /^2 registry\.statik is not a key: did you mean static/ },
    { toml: "handlers = [5]", is: /^1 handlers\[0\] must be a table/ },
    { toml: "[[handlers]]\nmodul = 'x'", is: /^2 handlers\[0\]\.modul is not a key: did you mean/ },
    { toml: "[[handlers]]", is: /^1 handlers\[0\]\.module is missing: it must be a path$/ },
    {
      toml: "[[registry.static]]\nservice = 'a'\naddresses = []",
      is: /^3 registry\.static\[0\]\.addresses must be an array with at least one item/,
    },
    {
      toml: "[[registry.static]]\nservice = 'a'\naddresses = ['b:1', 'c:0']",
      is: /^3 registry\.static\[0\]\.addresses must be .* a port from 1 to 65535.*; \[1\] is not$/,
    },
    {
      toml: '[tls]\nminVersion = "1.2"\nmin_version = "1.3"',
      is: /^3 tls\.min_version says the same as tls\.minVersion/,
    },
    { toml: '[tls]\nverify = "observe"', is: /^- tls\.observe_until is missing/ },
    {
      toml: '[tls]\nverify = "observe"\nobserve_until = 2027-06-30',
      is: /^3 tls\.observe_until must be at most 366 days ahead/,
    },
    {
      toml: "[tls]\nobserve_until = 2026-06-30T10:00:00",
      is: /^2 tls\.observe_until must be a date/,
    },
    { toml: "[tls]\nobserve_until = '2026-02-30'", is: /^2 tls\.observe_until must be a date/ },
    { toml: "[tls]\nobserve_until = 10:00:00", is: /^2 tls\.observe_until must be a date/ },
    { toml: '"__proto__" = 1', is: /^1 __proto__ is not a section/ },
    { toml: "[rpc]\nconstructor = 1", is: /^2 rpc\.constructor is not a key/ },
    { toml: '[rpc]\n"\\u001b[31m" = 1', is: /"rpc\.\\u001b\[31m" is not a key/ },
  ];
  for (const { toml, is } of rows) {
    test(JSON.stringify(toml.slice(0, 60)), () => {
      const found = problems(toml);
      assert.ok(
        found.some((problem) => is.test(problem)),
        `${is} is not among\n${found.join("\n")}`,
      );
    });
  }

  const syntax = [
    { toml: "[rpc\nlisten = 1", line: 1, why: "header not closed" },
    { toml: "[rpc]\nlisten = \n", line: 2, why: "value missing" },
    { toml: "[rpc]\na = 1\na = 2", line: 3, why: "key twice" },
    { toml: "[rpc]\n[rpc]", line: 2, why: "section twice" },
  ];
  for (const { toml, line, why } of syntax) {
    test(`syntax, ${why}: one problem, at its line`, () => {
      const found = problems(toml);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", new RegExp(`^${line} column \\d+ is not TOML: .`));
    });
  }

  test("a syntax error quotes nothing from the file", () => {
    const found = problems('[client]\nproxy = "http://me:secret@h:1" oops');
    assert.equal(found.length, 1);
    assert.doesNotMatch(found.join(), /secret/);
  });

  test("a bad proxy is not quoted: it may hold a password", () =>
    assert.doesNotMatch(problems('[client]\nproxy = "ftp://me:secret@h:1"').join(), /secret/));

  test("all problems at once, in the order of the file, those without a line last", () => {
    const found = problems("[log]\nlevel = 1\n[rpc]\nlisen = 1\n[tls]\nkey = 5\n", {
      MICROEDGE_RPC_MAX_STREAMS: "many",
    });
    assert.deepEqual(
      found.map((problem) => problem.split(" ").slice(0, 2).join(" ")),
      [
        "2 log.level",
        "4 rpc.lisen",
        "6 tls.key",
        "- MICROEDGE_RPC_MAX_STREAMS",
        "- tls.ca",
        "- tls.cert",
      ],
    );
  });
});

suite("environment", () => {
  test("overrides the file, and says so", () => {
    const loaded = load(`[rpc]\nlisten = "a:1"\n${TLS}`, {
      MICROEDGE_RPC_LISTEN: "[::]:2",
      MICROEDGE_TLS_MIN_VERSION: "1.2",
      MICROEDGE_RPC_INSECURE_PLAINTEXT: "false",
      MICROEDGE_TLS_CERT: "other.crt",
    });
    assert.deepEqual(loaded.config.rpc.listen, { host: "::", port: 2 });
    assert.equal(loaded.config.tls.minVersion, "1.2");
    assert.equal(loaded.config.tlsFiles?.certPath, "/srv/device/other.crt");
    const entry = configEntries(loaded).find(({ key }) => key === "rpc.listen");
    assert.equal(entry?.source, "environment");
    assert.equal(entry.variable, "MICROEDGE_RPC_LISTEN");
  });

  test("rescues a file that is wrong only there", () => {
    assert.deepEqual(
      problems(TLS.replace('ca = "ca.crt"', ""), { MICROEDGE_TLS_CA: "ca.pem" }),
      [],
    );
  });

  test("an unknown variable warns with the nearest", () => {
    const { warnings } = load(TLS, {
      MICROEDGE_RCP_LISTEN: "a:1",
      OTHER: "x",
      MICROEDGE_NODE: "/opt/node", // the launcher's own
      MICROEDGE_DEMO_GO_PEERS: "build/peers", // the demo's own
    });
    assert.deepEqual(
      warnings.map(({ key, message }) => `${key} ${message}`),
      [
        "MICROEDGE_RCP_LISTEN is not a variable of microedge and has no effect: did you mean MICROEDGE_RPC_LISTEN?",
      ],
    );
  });

  const bad = [
    { variable: "MICROEDGE_RPC_MAX_BODY_BYTES", text: "4MB", is: /overrides rpc\.max_body_bytes/ },
    { variable: "MICROEDGE_RPC_MAX_BODY_BYTES", text: "", is: /must be a whole number/ },
    { variable: "MICROEDGE_RPC_INSECURE_PLAINTEXT", text: "yes", is: /must be true or false/ },
    { variable: "MICROEDGE_LOG_LEVEL", text: "INFO", is: /must be one of/ },
    { variable: "MICRO_TLS_SECURE", text: "yes", is: /must be "true" or "false"/ },
    { variable: "MICRO_TLS_INSECURE", text: "1", is: /must be "true" or "false"/ },
  ];
  for (const { variable, text, is } of bad) {
    test(`${variable}=${text}`, () => {
      const found = problems(TLS, { [variable]: text });
      assert.equal(found.length, 1);
      assert.match(found[0] ?? "", new RegExp(`^- ${variable} `));
      assert.match(found[0] ?? "", is);
    });
  }
});

suite("who is verified", () => {
  const enforced = { inbound: "enforce", outbound: "enforce", insecure: [] };
  const rows = [
    { env: {}, ...enforced, why: "default" },
    { env: { MICRO_TLS_SECURE: "true" }, ...enforced, why: "v5 asks for what is the default here" },
    { env: { MICRO_TLS_INSECURE: "false" }, ...enforced, why: "v6 default" },
    { env: { MICRO_TLS_SECURE: "" }, ...enforced, why: "empty is unset" },
    {
      env: { MICRO_TLS_SECURE: "false" },
      ...enforced,
      why: "weakens only by a name with insecure",
    },
    {
      env: { MICRO_TLS_INSECURE: "true" },
      inbound: "enforce",
      outbound: "insecure",
      insecure: ["MICRO_TLS_INSECURE"],
      why: "never weakens inbound",
    },
    {
      env: { MICRO_TLS_INSECURE: "true", MICRO_TLS_SECURE: "false" },
      inbound: "enforce",
      outbound: "insecure",
      insecure: ["MICRO_TLS_INSECURE"],
      why: "both say the same",
    },
    {
      env: {},
      tls: "insecure_skip_verify = true",
      inbound: "insecure",
      outbound: "insecure",
      insecure: ["tls.insecure_skip_verify"],
      why: "the switch with the loud name",
    },
    {
      env: {},
      tls: 'verify = "observe"\nobserve_until = 2026-06-02',
      inbound: "observe",
      outbound: "enforce",
      insecure: [],
      why: "observing is for inbound peers",
    },
  ];
  for (const { env, tls, inbound, outbound, insecure, why } of rows) {
    test(`${JSON.stringify(env)} ${tls ?? ""}: ${why}`, () => {
      const { verification } = load(`${TLS}${tls ?? ""}`, env).config;
      assert.deepEqual(
        [verification.inbound, verification.outbound, verification.insecurities.map((i) => i.key)],
        [inbound, outbound, insecure],
      );
    });
  }

  test("plaintext needs no files and is insecure both ways", () => {
    const { config } = load("[rpc]\ninsecure_plaintext = true");
    assert.equal(config.tlsFiles, undefined);
    assert.deepEqual(
      [config.verification.inbound, config.verification.outbound],
      ["insecure", "insecure"],
    );
    assert.deepEqual(
      config.verification.insecurities.map(({ key }) => key),
      ["rpc.insecure_plaintext"],
    );
  });

  const contradictions = [
    {
      env: { MICRO_TLS_SECURE: "true", MICRO_TLS_INSECURE: "true" },
      names: ["MICRO_TLS_SECURE", "MICRO_TLS_INSECURE"],
    },
    {
      env: { MICRO_TLS_SECURE: "false", MICRO_TLS_INSECURE: "false" },
      names: ["MICRO_TLS_SECURE", "MICRO_TLS_INSECURE"],
    },
    {
      env: { MICRO_TLS_SECURE: "true" },
      tls: "insecure_skip_verify = true",
      names: ["tls.insecure_skip_verify", "MICRO_TLS_SECURE"],
    },
    {
      env: { MICRO_TLS_INSECURE: "true" },
      tls: "insecure_skip_verify = false",
      names: ["tls.insecure_skip_verify", "MICRO_TLS_INSECURE"],
    },
    {
      env: { MICRO_TLS_INSECURE: "false" },
      tls: "insecure_skip_verify = true",
      names: ["tls.insecure_skip_verify", "MICRO_TLS_INSECURE"],
    },
    {
      env: { MICROEDGE_TLS_INSECURE_SKIP_VERIFY: "true", MICRO_TLS_SECURE: "true" },
      names: ["MICROEDGE_TLS_INSECURE_SKIP_VERIFY", "MICRO_TLS_SECURE"],
    },
    {
      env: {},
      tls: 'insecure_skip_verify = true\nverify = "enforce"',
      names: ["tls.insecure_skip_verify", "tls.verify"],
    },
    {
      env: { MICROEDGE_RPC_INSECURE_PLAINTEXT: "true" },
      names: ["rpc.insecure_plaintext", "tls.cert"],
    },
    { env: { MICROEDGE_STORE_DIR: "/var/lib/microedge" }, names: ["store.dir", "tls.cert"] },
    { env: { MICROEDGE_STORE_DIR: "/var/lib/microedge" }, names: ["store.dir", "tls.key"] },
    { env: { MICROEDGE_STORE_DIR: "/var/lib/microedge" }, names: ["store.dir", "tls.ca"] },
    {
      env: { MICROEDGE_STORE_DIR: "/s", MICROEDGE_RPC_INSECURE_PLAINTEXT: "true" },
      names: ["rpc.insecure_plaintext", "store.dir"],
    },
  ];
  for (const { env, tls, names } of contradictions) {
    test(`contradiction: ${JSON.stringify(env)} ${tls ?? ""}`, () => {
      const found = problems(`${TLS}${tls ?? ""}`, env);
      const both = found.filter((each) => names.every((name) => each.includes(name)));
      assert.equal(both.length, 1, found.join("\n"));
    });
  }
});

suite("MICRO_TLS_SECURE=false", () => {
  const env = { MICRO_TLS_SECURE: "false" };
  test("warns that it changes nothing", () =>
    assert.match(load(TLS, env).warnings[0]?.message ?? "", /outbound peers are verified all the/));
  test("but not where nobody is verified anyway", () =>
    assert.deepEqual(load("[rpc]\ninsecure_plaintext = true", env).warnings, []));
});

suite("a drain longer than systemd waits", () => {
  const drain = (ms: number) => load(`[rpc]\ndrain_timeout_ms = ${ms}\n${TLS}`).warnings;
  test("warns, and says what to set", () => {
    assert.equal(drain(15_000).length, 0);
    assert.equal(drain(60_000)[0]?.key, "rpc.drain_timeout_ms");
    assert.match(drain(60_000)[0]?.message ?? "", /TimeoutStopSec=20 kills .* TimeoutStopSec=65 /);
  });
  test("the unit waits as long as the warning says", () => {
    const unit = readFileSync("systemd/microedge.service", "utf8");
    assert.match(unit, new RegExp(`^TimeoutStopSec=${UNIT_STOP_MS / 1000}$`, "m"));
  });
});

suite("observing and the clock", () => {
  const until = (date: string) => `${TLS}verify = "observe"\nobserve_until = ${date}`;
  test("an end in the past enforces and warns", () =>
    assert.match(load(until("2026-05-31")).warnings[0]?.message ?? "", /past: peers are enforced/));
  test("today is not past", () => assert.deepEqual(load(until("2026-06-01")).warnings, []));
  test("a device that believes it is 1970 still starts", () =>
    assert.deepEqual(problems(until("2026-06-30"), {}, 5_000), []));
  test("an end without observing has no effect, and says so", () =>
    assert.match(load(`${TLS}observe_until = 2026-06-30`).warnings[0]?.message ?? "", /no effect/));
});

suite("control socket", () => {
  const rows = [
    { root: false, env: {}, path: "/srv/device/control.sock", why: "beside the file" },
    { root: true, env: {}, path: "/run/microedge/control.sock", why: "root" },
    {
      root: false,
      env: { RUNTIME_DIRECTORY: "/run/x:/run/y" },
      path: "/run/x/control.sock",
      why: "systemd",
    },
  ];
  for (const { root, env, path, why } of rows) {
    test(`default: ${why}`, () =>
      assert.equal(load(TLS, env, NOW, root).config.controlSocketPath, path));
  }
  test("given: relative to the file", () =>
    assert.equal(
      load(`${TLS}[control]\nsocket = "run/c.sock"`).config.controlSocketPath,
      "/srv/device/run/c.sock",
    ));
});

suite("finding the file", () => {
  function place(files: Readonly<Record<string, string | Error>>): ConfigPlace {
    return {
      environment: {},
      workingDirectory: "/home/me",
      root: false,
      nowMs: () => NOW,
      async readText(path) {
        const found = files[path];
        if (found instanceof Error) throw found;
        if (found === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
        return found;
      },
    };
  }
  const denied = Object.assign(new Error("permission denied"), { code: "EACCES" });

  const rows = [
    { explicit: "a/b.toml", files: { "/home/me/a/b.toml": TLS }, file: "/home/me/a/b.toml" },
    {
      explicit: undefined,
      files: { "/etc/microedge/microedge.toml": TLS, "/home/me/microedge.toml": TLS },
      file: "/etc/microedge/microedge.toml",
    },
    {
      explicit: undefined,
      files: { "/home/me/microedge.toml": TLS },
      file: "/home/me/microedge.toml",
    },
  ];
  for (const { explicit, files, file } of rows) {
    test(`${explicit ?? "no --config"}: ${file}`, async () =>
      assert.equal((await loadConfig(explicit, place(files))).config.file, file));
  }

  const unreadable = [
    { explicit: "x.toml", files: {}, is: /x\.toml not found/ },
    { explicit: undefined, files: {}, is: /\/etc\/microedge\/microedge\.toml, \/home\/me\/micro/ },
    {
      explicit: undefined,
      files: { "/etc/microedge/microedge.toml": denied, "/home/me/microedge.toml": TLS },
      is: /cannot read \/etc\/microedge\/microedge\.toml: permission denied/,
    },
  ];
  for (const { explicit, files, is } of unreadable) {
    test(`${explicit ?? "no --config"}: ${is}`, () =>
      assert.rejects(
        loadConfig(explicit, place(files)),
        (error) => isAgentError(error, "ERR_CONFIG_UNREADABLE") && is.test(error.message),
      ));
  }
});
