import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { suite, test } from "node:test";
import type { LogFields, LogLevel } from "#src/base/log.ts";
import { LineLog } from "#src/host/line-log.ts";
import { formatJson, formatText } from "#src/host/log-format.ts";
import { MAX_STRING_LENGTH, REDACTED } from "#src/host/log-value.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

function logTo(options: { level?: LogLevel; format?: "json" | "text"; colour?: boolean } = {}) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = new LineLog({
    sink: { write: (text) => lines.push(text) },
    format:
      options.format === "text" ? formatText({ colour: options.colour ?? false }) : formatJson,
    clock,
    level: options.level ?? "info",
  });
  return { clock, lines, log, logger: log.log };
}

/** What one field becomes. */
function written(fields: LogFields): Record<string, unknown> {
  const { lines, logger } = logTo();
  logger.emit("agent.starting", fields);
  assert.equal(lines.length, 1);
  return JSON.parse(lines[0] ?? "") as Record<string, unknown>;
}

suite("a JSON line", () => {
  test("has time, level, event, msg, then the fields", () => {
    const { lines, logger } = logTo();
    logger.with({ peer: "CN=a" }).emit("agent.ready", { listen: "127.0.0.1:1", gone: undefined });
    assert.deepEqual(lines, [
      '{"time":"2026-06-01T00:00:00.000Z","level":"info","event":"agent.ready","msg":"agent serves","peer":"CN=a","listen":"127.0.0.1:1"}\n',
    ]);
  });

  test("its frame can't be replaced by a field", () => {
    const line = written({ event: "agent.ready", level: "debug", msg: "x", time: 1, a: 1 });
    assert.deepEqual([line["event"], line["level"], line["a"]], ["agent.starting", "info", 1]);
  });

  test("a hostile name stays on one line and moves no cursor", () => {
    const { lines, logger } = logTo();
    logger.emit("agent.starting", {
      peer: 'CN=a"\n{"event":"x"}\u001b[2J\u0085\u2028\u202e\u007f',
    });
    assert.equal(lines.length, 1);
    const text = lines[0] ?? "";
    assert.match(text, /^[\x20-\x7e]+\n$/);
    assert.match(text, /\\u001b\[2J\\u0085\\u2028\\u202e\\u007f/);
    assert.equal(Object.keys(JSON.parse(text) as object).length, 5);
  });

  const values = [
    { value: Number.NaN, is: "NaN", why: "JSON has no such number" },
    { value: Number.POSITIVE_INFINITY, is: "Infinity", why: "nor this" },
    { value: ["a", "b"], is: ["a", "b"], why: "lists stay lists" },
    {
      value: [{ code: "expired", words: "-----BEGIN PRIVATE KEY-----" }],
      is: [{ code: "expired", words: "[redacted]" }],
      why: "rows stay rows, and each text is guarded",
    },
    { value: Array(40).fill("x"), is: [...Array(32).fill("x"), "8 more"], why: "bounded" },
    {
      value: "x".repeat(5_000),
      is: `${"x".repeat(MAX_STRING_LENGTH)}… (5000 characters)`,
      why: "bounded",
    },
  ];
  for (const { value, is, why } of values) {
    test(`value ${String(value).slice(0, 20)}: ${why}`, () =>
      assert.deepEqual(written({ value })["value"], is));
  }

  test("a clock beyond the calendar costs no line", () => {
    const { clock, lines, logger } = logTo();
    clock.jump(1e18);
    logger.emit("agent.starting");
    assert.equal(lines.length, 1);
  });
});

suite("secrets are not written", () => {
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const ed = generateKeyPairSync("ed25519").privateKey;
  const base64 = (der: string | Buffer): string => Buffer.from(der as Buffer).toString("base64");
  const rows = [
    { what: "PEM", value: ec.export({ type: "pkcs8", format: "pem" }) },
    { what: "PKCS#8 EC", value: base64(ec.export({ type: "pkcs8", format: "der" })) },
    { what: "SEC 1", value: base64(ec.export({ type: "sec1", format: "der" })) },
    { what: "PKCS#8 RSA", value: base64(rsa.export({ type: "pkcs8", format: "der" })) },
    { what: "PKCS#1 RSA", value: base64(rsa.export({ type: "pkcs1", format: "der" })) },
    { what: "Ed25519", value: base64(ed.export({ type: "pkcs8", format: "der" })) },
    { what: "token", value: "sent eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc" },
    { what: "header", value: "Authorization: Bearer abcdefgh12345678" },
  ];
  for (const { what, value } of rows) {
    test(what, () => {
      const text = `failed on: ${value.toString()}`;
      assert.equal(written({ error: text })["error"], REDACTED);
      assert.deepEqual(written({ errors: ["fine", text] })["errors"], ["fine", REDACTED]);
    });
  }
  test("credentials of a URL, the rest stays", () =>
    assert.equal(
      written({ proxy: "http://me:secret@proxy:3128" })["proxy"],
      "http://***@proxy:3128",
    ));
  test("a subject, a fingerprint and an address are no secrets", () => {
    const value = "CN=gateway,O=ACME 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15 ::1";
    assert.equal(written({ value })["value"], value);
  });
});

suite("a line for a terminal", () => {
  test("reads from left to right", () => {
    const { lines, logger } = logTo({ format: "text" });
    logger.emit("agent.ready", {
      listen: "127.0.0.1:1",
      name: "a b",
      list: ["x", "y z"],
      e: "",
      r: [{ code: "c", words: "a b" }],
    });
    assert.deepEqual(lines, [
      '00:00:00.000Z info  agent.ready: agent serves  listen=127.0.0.1:1 name="a b" list=[x "y z"] e="" r=[{code=c words="a b"}]\n',
    ]);
  });
  test("colours the level only, and a field can't", () => {
    const { lines, logger } = logTo({ format: "text", colour: true });
    logger.emit("peer.refused", { peer: "\u001b[31mred" });
    const [line = ""] = lines;
    assert.ok(line.startsWith("00:00:00.000Z \u001b[33mwarn \u001b[0m peer.refused"), line);
    assert.match(lines[0] ?? "", /peer=\\u001b\[31mred/);
  });
});

suite("levels", () => {
  const rows = [
    { level: "debug", seen: ["rpc.call", "agent.starting", "peer.refused", "agent.start.failed"] },
    { level: "info", seen: ["agent.starting", "peer.refused", "agent.start.failed"] },
    { level: "warn", seen: ["peer.refused", "agent.start.failed"] },
    { level: "error", seen: ["agent.start.failed"] },
  ] as const;
  for (const { level, seen } of rows) {
    test(`${level}: ${seen.length} of 4, and agent.ready always`, () => {
      const { lines, logger } = logTo({ level });
      for (const event of [
        "rpc.call",
        "agent.starting",
        "peer.refused",
        "agent.start.failed",
        "agent.ready",
      ] as const) {
        logger.emit(event);
      }
      const events = lines.map((line) => (JSON.parse(line) as { event: string }).event);
      assert.deepEqual(events, [...seen, "agent.ready"]);
      assert.equal(logger.enabled("info"), level === "debug" || level === "info");
    });
  }
  test("a change reaches loggers that exist", () => {
    const { lines, log, logger } = logTo({ level: "error" });
    const child = logger.with({ a: 1 });
    log.setLevel("debug");
    child.emit("rpc.call");
    assert.equal(lines.length, 1);
  });
});

suite("repeats are collapsed", () => {
  const counts = (lines: readonly string[]): Record<string, number> => {
    const seen: Record<string, number> = {};
    for (const line of lines) {
      const { event } = JSON.parse(line) as { event: string };
      seen[event] = (seen[event] ?? 0) + 1;
    }
    return seen;
  };

  test("per event: a burst of 50, then one in 10 s, and what was left out is said", async () => {
    const { clock, lines, logger } = logTo();
    for (let n = 0; n < 1_000; n += 1) logger.emit("peer.refused");
    logger.emit("agent.starting");
    assert.deepEqual(counts(lines), { "peer.refused": 50, "agent.starting": 1 });
    await clock.advance(10_000);
    logger.emit("peer.refused");
    const last = lines.slice(-2).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      last.map(({ event, suppressed_event, count }) => [event, suppressed_event, count]),
      [
        ["log.suppressed", "peer.refused", 950],
        ["peer.refused", undefined, undefined],
      ],
    );
  });

  test("what was left out is said after a minute, also when nothing follows", async () => {
    const { clock, lines, logger } = logTo();
    for (let n = 0; n < 60; n += 1) logger.emit("peer.refused");
    await clock.advance(60_000);
    assert.equal(counts(lines)["log.suppressed"], 1);
    await clock.advance(600_000);
    assert.equal(counts(lines)["log.suppressed"], 1, "and once only");
    assert.equal(clock.timers, 0);
  });

  test("and at the end", () => {
    const { clock, lines, log, logger } = logTo();
    for (let n = 0; n < 51; n += 1) logger.emit("peer.refused");
    log.close();
    assert.equal(counts(lines)["log.suppressed"], 1);
    assert.equal(clock.timers, 0);
  });

  test("a storm all day stays under 9,000 lines", async () => {
    const { clock, lines, logger } = logTo();
    for (let n = 0; n < 1_440; n += 1) {
      for (let burst = 0; burst < 100; burst += 1) logger.emit("peer.refused");
      await clock.advance(60_000);
    }
    assert.ok((counts(lines)["peer.refused"] ?? 0) < 9_000);
  });

  test("debug lines are asked for and all come", () => {
    const { lines, logger } = logTo({ level: "debug" });
    for (let n = 0; n < 200; n += 1) logger.emit("rpc.call");
    assert.equal(lines.length, 200);
  });
});

suite("counts", () => {
  test("warnings and errors, also those that the level or the throttle holds back", () => {
    const { log, logger, lines } = logTo({ level: "error" });
    logger.emit("memory.short", {});
    for (let n = 0; n < 200; n += 1) logger.with({ n }).emit("agent.insecure", {});
    logger.emit("agent.starting", {});
    assert.deepEqual(
      [...log.counts],
      [
        ["memory.short", 1],
        ["agent.insecure", 200],
      ],
    );
    assert.ok(lines.length < 200, "the throttle held some back");
  });
});
