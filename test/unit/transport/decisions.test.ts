/**
 * The pure parts of the transport: who may stay, what first bytes mean, what is logged, which way a
 * dial goes.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Admission, type Seat } from "#src/transport/admission.ts";
import { FailureLog } from "#src/transport/failure-log.ts";
import { judgeFirstBytes } from "#src/transport/first-record.ts";
import { interleaveFamilies, raceAddresses } from "#src/transport/happy-eyeballs.ts";
import { classifyHandshakeError, lateRefusal } from "#src/transport/node-error.ts";
import { bypassesProxy, parseProxy } from "#src/transport/proxy-settings.ts";
import { letsUnverifiedPass } from "#src/transport/verify-mode.ts";
import { FakeClock, settle } from "../../fakes/fake-clock.ts";
import { RecordingLog } from "../../fakes/network-rig.ts";

const seat = (): Seat => ({ stage: "silent", since: 0 });

suite("Admission of 8 connections when all are taken", () => {
  /** Established peers by name, in order; those in `idle` have no call, the first longest. */
  function full(peers: string, idle: readonly number[] = []) {
    const table = new Admission({ maxConnections: 8, maxHandshakes: 4 });
    const seats: Seat[] = [...peers].map((peer) => ({ ...seat(), peer }));
    for (const each of seats) table.establish(each, 0);
    for (const at of idle) table.setIdle(seats[at] as Seat, true);
    const come = (peer: string): number | undefined => {
      const place = table.establish({ ...seat(), peer }, 0);
      return place?.evict === undefined ? undefined : seats.indexOf(place.evict);
    };
    return { come };
  }

  for (const { why, peers, idle, newcomer, leaves } of [
    {
      why: "one that is busy everywhere does not shut out the next",
      peers: "hhhhhhhh",
      newcomer: "a",
      leaves: 7,
    },
    { why: "nor with others beside it", peers: "abhhhhhc", newcomer: "d", leaves: 6 },
    {
      why: "it gets no further place for itself",
      peers: "abhhhhhc",
      newcomer: "h",
      leaves: undefined,
    },
    {
      why: "two of eight are not too many, when all are busy",
      peers: "aabbccdd",
      newcomer: "e",
      leaves: undefined,
    },
    {
      why: "idle ones of a crowd go before those of others",
      peers: "abhhhhhc",
      idle: [0, 3, 2],
      newcomer: "d",
      leaves: 3,
    },
    {
      why: "without a crowd the longest idle of all",
      peers: "aabbccdd",
      idle: [4, 1],
      newcomer: "e",
      leaves: 4,
    },
    {
      why: "an idle one of another goes before a busy one of a crowd",
      peers: "abhhhhhc",
      idle: [7],
      newcomer: "d",
      leaves: 7,
    },
    {
      why: "three against two would just be turned round",
      peers: "hhhaabcd",
      newcomer: "a",
      leaves: undefined,
    },
  ]) {
    test(why, () => assert.equal(full(peers, idle).come(newcomer), leaves));
  }
});

suite("Admission of 2 connections, 1 handshake", () => {
  const limits = { maxConnections: 2, maxHandshakes: 1, dawdleMs: 100 };

  test("the oldest silent newcomer gives way; when all have spoken, the next is turned away", () => {
    const table = new Admission(limits);
    const [a, b, c, d] = [seat(), seat(), seat(), seat()];
    assert.deepEqual(table.arrive(a), { evict: undefined });
    assert.deepEqual(table.arrive(b), { evict: undefined });
    assert.deepEqual(table.arrive(c), { evict: a });
    table.move(b, "waiting", 0);
    table.move(c, "waiting", 0);
    assert.equal(table.arrive(d), undefined);
    assert.equal(table.pending, 2);
  });
  test("one handshake at a time, in order of arrival; a dawdler is named only when one waits", () => {
    const table = new Admission(limits);
    const [a, b] = [seat(), seat()];
    for (const each of [a, b]) table.arrive(each);
    table.move(a, "waiting", 0);
    assert.equal(table.nextHandshake(), a);
    table.move(a, "shaking", 10);
    assert.equal(table.dawdler(500), undefined);
    table.move(b, "waiting", 20);
    assert.equal(table.nextHandshake(), undefined);
    assert.deepEqual(table.dawdler(50), { seat: a, inMs: 60 });
    assert.deepEqual(table.dawdler(110), { seat: a, inMs: 0 });
    table.leave(a);
    assert.equal(table.nextHandshake(), b);
  });
  test("only a verified newcomer displaces, and only an idle peer", () => {
    const table = new Admission(limits);
    const [a, b, c] = [seat(), seat(), seat()];
    for (const each of [a, b]) {
      table.arrive(each);
      table.establish(each, 0);
    }
    table.arrive(c);
    assert.equal(table.establish(c, 0), undefined, "nobody is idle");
    table.setIdle(b, true);
    table.setIdle(a, true);
    table.setIdle(b, false);
    assert.deepEqual(table.establish(c, 0), { evict: a });
    assert.equal(table.count("established"), 2);
  });
  test("who has left can't become idle", () => {
    const table = new Admission(limits);
    const [a, b, c] = [seat(), seat(), seat()];
    for (const each of [a, b]) {
      table.arrive(each);
      table.establish(each, 0);
    }
    table.leave(a);
    table.setIdle(a, true);
    table.arrive(c);
    assert.deepEqual(table.establish(c, 0), { evict: undefined });
  });
});

suite("Admission with places of its own for strangers and for local peers", () => {
  const limits = { maxConnections: 3, maxHandshakes: 1, maxNewcomers: 2, reserved: 1 };
  const local = (): Seat => ({ ...seat(), local: true });

  test("newcomers have their own, smaller bound; the last place of it is for local ones", () => {
    const table = new Admission(limits);
    const [a, b, c] = [seat(), seat(), local()];
    table.arrive(a);
    assert.deepEqual(table.arrive(b), { evict: a }, "one is open to everybody");
    assert.deepEqual(table.arrive(c), { evict: undefined });
    assert.equal(table.pending, 2);
  });
  test("the last established place is for local peers", () => {
    const table = new Admission(limits);
    const [a, b, c, d, e] = [seat(), seat(), seat(), local(), local()];
    assert.deepEqual(table.establish(a, 0), { evict: undefined });
    assert.deepEqual(table.establish(b, 0), { evict: undefined });
    assert.equal(table.establish(c, 0), undefined);
    assert.deepEqual(table.establish(d, 0), { evict: undefined });
    assert.equal(table.establish(e, 0), undefined);
  });
  test("the longest idle can be taken out; with none idle there is nobody", () => {
    const table = new Admission(limits);
    const [a, b] = [seat(), seat()];
    for (const each of [a, b]) {
      table.establish(each, 0);
      table.setIdle(each, true);
    }
    table.setIdle(a, true);
    assert.equal(table.takeIdle(), b);
    assert.equal(table.count("established"), 1);
    assert.equal(table.takeIdle(), a);
    assert.equal(table.takeIdle(), undefined);
  });
});

suite("Admission when one address has most of the places", () => {
  const limits = { maxConnections: 6, maxHandshakes: 3, dawdleMs: 2_000, crowdDawdleMs: 500 };
  const of = (crowd: string): Seat & { readonly crowd: string } => ({ ...seat(), crowd });
  const full = (): { table: Admission<Seat>; many: Seat[]; single: Seat } => {
    const table = new Admission<Seat>(limits);
    const single = of("single");
    const many = Array.from({ length: 5 }, () => of("many"));
    for (const each of [single, ...many]) table.arrive(each);
    return { table, many, single };
  };

  test("silent ones of the crowd yield, though another is older", () => {
    const { table, many, single } = full();
    assert.deepEqual(table.arrive(of("new")), { evict: many[0] });
    assert.deepEqual(table.arrive(of("many")), { evict: many[1] }, "also to their own kind");
    assert.deepEqual(table.arrive(of("single")), { evict: many[2] });
    assert.deepEqual(table.arrive(of("many")), { evict: many[3] });
    table.leave(single);
    assert.deepEqual(table.arrive(of("many")), { evict: undefined }, "a free place is anybody's");
  });
  test("when all of the crowd have spoken, the latest of them yields to others, not to its own", () => {
    const { table, many } = full();
    for (const each of many) table.move(each, "waiting", 0);
    assert.equal(table.arrive(of("many")), undefined);
    assert.deepEqual(table.arrive(of("new")), { evict: many[4] });
  });
  test("with an address for each, the oldest silent one yields", () => {
    const table = new Admission<Seat>(limits);
    const all = Array.from({ length: 6 }, (_, number) => of(`peer ${number}`));
    for (const each of all) table.arrive(each);
    assert.deepEqual(table.arrive(of("new")), { evict: all[0] });
  });
  test("two peers behind one router that have spoken do not yield to silent ones", () => {
    const table = new Admission<Seat>(limits);
    const [one, two] = [of("router"), of("router")];
    const silent = Array.from({ length: 4 }, (_, number) => of(`silent ${number}`));
    for (const each of [one, two, ...silent]) table.arrive(each);
    for (const each of [one, two]) table.move(each, "waiting", 0);
    assert.deepEqual(table.arrive(of("new")), { evict: silent[0] });
  });
  test("slots go to the address that has the fewest, and a crowd's dawdler yields sooner", () => {
    const { table, many, single } = full();
    for (const each of many) table.move(each, "waiting", 0);
    for (const each of many.slice(0, 3)) table.move(each, "shaking", 10);
    assert.deepEqual(table.dawdler(10), { seat: many[0], inMs: 2_000 }, "among themselves");
    table.move(single, "waiting", 20);
    assert.deepEqual(table.dawdler(20), { seat: many[0], inMs: 490 });
    table.leave(many[0] as Seat);
    assert.equal(table.nextHandshake(), single, "the last to come");
    table.move(single, "shaking", 600);
    assert.equal(table.nextHandshake(), undefined);
    table.move(many[1] as Seat, "established", 700);
    assert.equal(table.nextHandshake(), many[3]);
  });
});

suite("judgeFirstBytes", () => {
  for (const [bytes, verdict, why] of [
    ["", "incomplete", "nothing yet"],
    ["\x16\x03\x01\x00", "incomplete", "no length yet"],
    ["\x16\x03\x01\x00\x02a", "incomplete", "one byte short"],
    ["\x16\x03\x01\x00\x02ab", "client-hello", "whole"],
    ["\x16\x03\x01\x00\x02abc", "client-hello", "and more"],
    ["\x16\x03\x01\x00\x00", "not-tls", "empty record"],
    ["\x16\x03\x01\x40\x01", "not-tls", "over 2^14"],
    ["\x16\x02", "not-tls", "no such version"],
    ["G", "incomplete", "may become GET"],
    ["GET ", "plain-http", "is"],
    ["POST / HTTP/1.1", "plain-http", "is"],
    ["PRI * HTTP/2.0", "plain-http", "h2c"],
    ["GETX", "incomplete", "a method we don't know, still short"],
    ["GETXYZUVW", "not-tls", "too long for a method"],
    ["get / ", "not-tls", "methods are upper case"],
    ["SSH-2.0-x", "not-tls", "another protocol"],
    ["\x15\x03\x01\x00\x02", "not-tls", "an alert can't come first"],
  ] as const) {
    test(`${JSON.stringify(bytes)}: ${why}`, () =>
      assert.equal(judgeFirstBytes(Buffer.from(bytes, "latin1")), verdict));
  }
});

suite("FailureLog", () => {
  test("once per peer and cause, again after its time, with the count", async () => {
    const [clock, log] = [new FakeClock(), new RecordingLog()];
    const failures = new FailureLog({ clock, log, repeatMs: 1000 });
    const tell = (peer: string, cause: string): boolean =>
      failures.emit("peer.refused", peer, cause, {});
    assert.deepEqual(
      [tell("a", "expired"), tell("a", "expired"), tell("b", "expired"), tell("a", "chain")],
      [true, false, true, true],
    );
    await clock.advance(1000);
    assert.equal(tell("a", "expired"), true);
    assert.equal(log.lines.at(-1)?.fields["suppressed"], 1);
  });
  test("a thousand peers fill the table, not the memory or the log", async () => {
    const [clock, log] = [new FakeClock(), new RecordingLog()];
    const failures = new FailureLog({ clock, log, maxRows: 3, repeatMs: 1000 });
    for (let peer = 0; peer < 1000; peer++) failures.emit("peer.refused", `${peer}`, "chain", {});
    assert.equal(log.lines.length, 3);
    await clock.advance(1000);
    failures.emit("peer.refused", "next", "chain", {});
    assert.equal(log.lines.at(-1)?.fields["other_peers_left_out"], 997);
  });
});

suite("classifyHandshakeError", () => {
  for (const [code, cause, why] of [
    ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "rejected-by-peer", "Go and OpenSSL peers"],
    ["ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE", "rejected-by-peer", "OpenSSL 3.5 spelling"],
    ["ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE", "rejected-by-peer", "older spelling"],
    ["ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED", "rejected-by-peer", ""],
    ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "peer-wants-certificate", "TLS 1.3"],
    ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "protocol-version", "alert 70"],
    ["ERR_SSL_UNSUPPORTED_PROTOCOL", "protocol-version", "our own finding"],
    ["ERR_SSL_VERSION_TOO_LOW", "protocol-version", "a scanner that tries SSL 3"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "not-tls", "plain text answered"],
    ["ERR_SSL_HTTP_REQUEST", "plain-http", ""],
    ["ECONNRESET", "reset", ""],
    ["EPIPE", "reset", ""],
    ["ETIMEDOUT", "timeout", ""],
    ["ERR_SSL_SOMETHING_NEW", "tls", "unknown stays unknown, with its code"],
  ] as const) {
    test(`${code} is ${cause}: ${why}`, () => {
      const failure = classifyHandshakeError(Object.assign(new Error("x"), { code }));
      assert.equal(failure.cause, cause);
      assert.ok(failure.words !== "" && failure.fix !== "");
    });
  }
  for (const [code, cause] of [
    ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "rejected-by-peer"],
    ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "peer-wants-certificate"],
    ["ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR", undefined],
    ["ECONNRESET", undefined],
    ["EPIPE", undefined],
  ] as const) {
    test(`${code} after the handshake: ${cause ?? "no verdict on our certificate"}`, () =>
      assert.equal(lateRefusal(Object.assign(new Error("x"), { code }))?.cause, cause));
  }
  test("what is no error at all", () =>
    assert.equal(classifyHandshakeError(undefined).cause, "tls"));
});

suite("raceAddresses", () => {
  function race(clock: FakeClock, signal = new AbortController().signal) {
    const opened: string[] = [];
    const discarded: string[] = [];
    const pending = new Map<string, PromiseWithResolvers<string>>();
    const aborted: string[] = [];
    const winner = raceAddresses<string, string>({
      addresses: ["a", "b", "c"],
      open(address, abort) {
        opened.push(address);
        abort.addEventListener("abort", () => aborted.push(address));
        const settled = Promise.withResolvers<string>();
        pending.set(address, settled);
        return settled.promise;
      },
      discard: (connection) => discarded.push(connection),
      clock,
      signal,
    });
    winner.catch(() => undefined);
    return { winner, opened, discarded, pending, aborted };
  }
  test("staggered by 250 ms; a late second is closed", async () => {
    const clock = new FakeClock();
    const { winner, opened, discarded, pending, aborted } = race(clock);
    await clock.advance(249);
    assert.deepEqual(opened, ["a"]);
    await clock.advance(1);
    assert.deepEqual(opened, ["a", "b"]);
    pending.get("b")?.resolve("B");
    assert.equal(await winner, "B");
    assert.deepEqual(aborted, ["a", "b"]);
    pending.get("a")?.resolve("A");
    await settle();
    assert.deepEqual(discarded, ["A"]);
    assert.equal(clock.timers, 0);
  });
  test("a failure starts the next at once; a slow first may still win", async () => {
    const clock = new FakeClock();
    const { winner, opened, pending } = race(clock);
    await clock.advance(250);
    pending.get("b")?.reject(new Error("b"));
    await settle();
    assert.deepEqual(opened, ["a", "b", "c"]);
    pending.get("a")?.resolve("A");
    assert.equal(await winner, "A");
  });
  test("when all fail, all reasons are told", async () => {
    const { winner, pending } = race(new FakeClock());
    for (const name of ["a", "b", "c"]) {
      pending.get(name)?.reject(new Error(name));
      await settle();
    }
    const error = await winner.catch((thrown) => thrown);
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(
      error.errors.map(({ message }) => message),
      ["a", "b", "c"],
    );
  });
  test("an abort ends every attempt", async () => {
    const clock = new FakeClock();
    const caller = new AbortController();
    const { winner, aborted } = race(clock, caller.signal);
    await clock.advance(250);
    caller.abort(new Error("enough"));
    await assert.rejects(winner, /enough/);
    assert.deepEqual(aborted, ["a", "b"]);
    assert.equal(clock.timers, 0);
  });
  test("families in turn, the first choice first", () => {
    const mixed = interleaveFamilies([
      { family: 6, name: "a" },
      { family: 6, name: "b" },
      { family: 6, name: "c" },
      { family: 4, name: "d" },
    ]);
    assert.deepEqual(
      mixed.map(({ name }) => name),
      ["a", "d", "b", "c"],
    );
  });
});

suite("proxy settings", () => {
  test("host, port, credentials", () => {
    assert.deepEqual(parseProxy("http://u:p%40@[::1]:3128"), {
      host: "::1",
      port: 3128,
      authorization: `Basic ${Buffer.from("u:p@").toString("base64")}`,
      noProxy: [],
    });
    assert.equal(parseProxy("http://proxy").port, 80);
  });
  for (const [url, words] of [
    ["proxy:3128", /scheme is proxy|not a URL/],
    ["https://u:secret@proxy", /only http:\/\/ proxies/],
    ["http://", /not a URL/],
    ["", /not a URL/],
  ] as const) {
    test(`refuses "${url}", without repeating a password`, () =>
      assert.throws(
        () => parseProxy(url),
        (error: Error) => words.test(error.message) && !error.message.includes("secret"),
      ));
  }
  for (const [entry, host, port, is, why] of [
    ["*", "a.example", 1, true, "everything"],
    ["a.example", "a.example", 1, true, "the name"],
    ["a.example", "b.a.example", 1, true, "and below it"],
    [".a.example", "b.a.example", 1, true, "with a dot"],
    ["a.example", "xa.example", 1, false, "whole labels only"],
    ["a.example:8443", "a.example", 8443, true, "with its port"],
    ["a.example:8443", "a.example", 443, false, "another port"],
    ["10.0.0.0/8", "10.1.2.3", 1, true, "range"],
    ["10.0.0.0/8", "11.1.2.3", 1, false, "outside"],
    ["10.0.0.0/99", "10.1.2.3", 1, false, "no such range"],
    ["2001:db8::/32", "2001:db8::1", 1, true, "range of IPv6"],
    ["10.0.0.1", "10.0.0.1", 1, true, "address"],
    ["0.1", "10.0.0.1", 1, false, "no suffix of an address"],
  ] as const) {
    test(`NO_PROXY ${entry} and ${host}:${port}: ${why}`, () =>
      assert.equal(bypassesProxy(parseProxy("http://p", [entry]), host, port), is));
  }
});

test("only observe before its end, and insecure, let an unverified peer pass", () => {
  assert.equal(letsUnverifiedPass({ kind: "enforce" }, 0), false);
  assert.equal(letsUnverifiedPass({ kind: "observe", untilMs: 10 }, 9), true);
  assert.equal(letsUnverifiedPass({ kind: "observe", untilMs: 10 }, 10), false);
  assert.equal(letsUnverifiedPass({ kind: "insecure-skip-verify" }, 0), true);
});
