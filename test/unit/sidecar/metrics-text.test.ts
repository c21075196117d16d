import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { StatusView } from "#src/sidecar/admin-operations.ts";
import { formatMetrics, METRICS } from "#src/sidecar/metrics-text.ts";
import { STATUS } from "../../fakes/admin-operations.ts";

const NOW = Date.UTC(2026, 5, 1);

/** The samples of one metric, as they stand in the text. */
function samplesOf(name: string, status: StatusView): string[] {
  return formatMetrics(status)
    .split("\n")
    .filter((line) => line === name || line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .map((line) => line.slice(name.length).trim());
}

const QUEUE: NonNullable<StatusView["queue"]> = {
  ...{ waiting: 2, running: 1, failed: 1, durable: false, fault: "EROFS", healed: ["a", "b"] },
  byKind: [
    { kind: "report", state: "waiting", count: 2 },
    { kind: "renew", state: "running", count: 1 },
    { kind: "install", state: "done", count: 1 },
    { kind: "trust", state: "failed", count: 1 },
  ],
  oldestWaitingMs: 90_500,
  attempts: { begun: 9, succeeded: 4, failed: 5, connections: 12 },
  wear: { bytesWritten: 4096, syncs: 7, operations: 6 },
};
const RENEWAL: NonNullable<StatusView["renewal"]> = {
  ...{ issuer: "step-ca", dueAt: NOW, reason: "share", words: "due", lastAttempt: NOW - 60_000 },
  ...{ lastSuccessAt: NOW - 120_000, lastError: undefined, fault: undefined, attempts: 0 },
  ...{ intent: undefined, remarks: [], longestOutageMs: 3_600_000 },
};
const waiting = { id: "renew-1", state: "waiting", step: undefined, nextAttemptAt: NOW } as const;
const FAULT: NonNullable<NonNullable<StatusView["renewal"]>["fault"]> = {
  ...{ code: "ERR_ISSUER_REFUSED", reason: "refused", words: "no", fix: "ask", at: NOW },
  ...{ needsOperator: true, times: 12 },
};
const list = (state: "fresh" | "stale", thisUpdate: number) => ({
  ...{ issuer: "CN=CA of peer.example", number: "1", thisUpdate, nextUpdate: thisUpdate + 1000 },
  ...{ state, words: "", revoked: 3, bytes: 100 },
});
const REVOCATION: NonNullable<StatusView["revocation"]> = {
  ...{ crl: "soft", ocsp: "off", ocspAnswers: 2, denied: 1, deniedEnded: [], cut: 4 },
  ...{ ocspFaults: [{ responder: "http://10.0.0.7", reason: "hangs" }], stapleEndsAt: undefined },
  sources: [
    { source: "http://10.0.0.8/crl", fault: "hangs", checkedAt: 1, lists: [list("stale", 5000)] },
    { source: "a.crl", fault: undefined, checkedAt: 1, lists: [list("fresh", 7000)] },
  ],
};

/** `undefined` members are gone, as they are once status has come over the control socket. */
const travelled = (status: StatusView): StatusView =>
  JSON.parse(JSON.stringify(status)) as StatusView;

suite("one metric", () => {
  const rows: readonly {
    readonly name: string;
    readonly status: Partial<StatusView>;
    readonly samples: readonly string[];
    readonly why: string;
  }[] = [
    {
      name: "microedge_build_info",
      status: { version: 'a"b\\c\nd', commit: "0f" },
      samples: ['{version="a\\"b\\\\c\\nd",commit="0f"} 1'],
      why: "values of labels are escaped",
    },
    { name: "microedge_connections", status: {}, samples: ["3"], why: "a gauge" },
    { name: "microedge_calls_total", status: {}, samples: ["17"], why: "a counter" },
    {
      name: "microedge_calls_refused_total",
      status: {
        counters: { "calls_refused:ERR_ACL_DENIED": 5, "calls_refused_not:x": 1, calls: 1 },
      },
      samples: ['{code="ERR_ACL_DENIED"} 5'],
      why: "only counters of the family, by code",
    },
    {
      name: "microedge_limit_refusals_total",
      status: { counters: { "limited:per_peer": 2, "limited:max_calls": 0 } },
      samples: ['{limit="per_peer"} 2', '{limit="max_calls"} 0'],
      why: "by key of the configuration; what is 0 is there from the start",
    },
    {
      name: "microedge_state",
      status: { state: "draining" },
      samples: [
        '{state="starting"} 0',
        '{state="waiting"} 0',
        '{state="ready"} 0',
        '{state="draining"} 1',
      ],
      why: "one state holds",
    },
    { name: "microedge_uptime_seconds", status: {}, samples: ["90061"], why: "seconds" },
    { name: "microedge_memory_limit_bytes", status: {}, samples: [], why: "no limit is not 0" },
    {
      name: "microedge_certificate_not_after_timestamp_seconds",
      status: {},
      samples: [String(Date.UTC(2026, 7, 1) / 1000)],
      why: "Unix seconds",
    },
    {
      name: "microedge_identity_state",
      status: { identity: undefined },
      samples: [],
      why: "no state without an identity",
    },
    {
      name: "microedge_trust_first_not_after_timestamp_seconds",
      status: { trust: { anchors: 2, firstEndsAt: 5000, lastEndsAt: 9000 } },
      samples: ["5"],
      why: "the first that ends",
    },
    {
      name: "microedge_time_offset_seconds",
      status: {
        time: {
          ...{ state: "floor", nowMs: NOW, offsetMs: 1_500, floorMs: NOW, clockWrong: true },
          ...{ words: "", floorSource: "build", timeService: "" },
        },
      },
      samples: ["1.5"],
      why: "ahead of the clock",
    },
    {
      name: "microedge_logged_events_total",
      status: { events: { "renewal.failed": 3 } },
      samples: ['{event="renewal.failed"} 3'],
      why: "by event",
    },
    {
      name: "microedge_queue_durable",
      status: { queue: QUEUE },
      samples: ["0"],
      why: "false is 0",
    },
    {
      name: "microedge_queue_repairs",
      status: { queue: QUEUE },
      samples: ["2"],
      why: "a number, not the words",
    },
    {
      name: "microedge_queue_oldest_waiting_seconds",
      status: { queue: QUEUE },
      samples: ["90.5"],
      why: "an age",
    },
    {
      name: "microedge_queue_oldest_waiting_seconds",
      status: { queue: { ...QUEUE, oldestWaitingMs: null } },
      samples: [],
      why: "nothing waits",
    },
    {
      name: "microedge_renewal_failures_in_a_row",
      status: { renewal: { ...RENEWAL, attempts: 4, intent: waiting } },
      samples: ["4"],
      why: "all of them failed",
    },
    {
      name: "microedge_renewal_failures_in_a_row",
      status: { renewal: { ...RENEWAL, attempts: 4, intent: { ...waiting, state: "running" } } },
      samples: ["3"],
      why: "one is under way",
    },
    {
      name: "microedge_renewal_failures_in_a_row",
      status: { renewal: { ...RENEWAL, attempts: 0, intent: waiting, fault: FAULT } },
      samples: ["12"],
      why: "asked for anew, but it has failed 12 times for the same",
    },
    {
      name: "microedge_renewal_needs_operator",
      status: { renewal: { ...RENEWAL, fault: FAULT } },
      samples: ["1"],
      why: "a fault that stays",
    },
    {
      name: "microedge_renewal_last_success_timestamp_seconds",
      status: { renewal: RENEWAL },
      samples: [String((NOW - 120_000) / 1000)],
      why: "a moment",
    },
    {
      name: "microedge_revocation_lists",
      status: { revocation: REVOCATION },
      samples: [
        '{state="fresh"} 1',
        '{state="stale"} 1',
        '{state="future"} 0',
        '{state="doubtful"} 0',
      ],
      why: "of all sources",
    },
    {
      name: "microedge_revocation_sources_failing",
      status: { revocation: REVOCATION },
      samples: ["1"],
      why: "no fault is no fault, also where it does not travel",
    },
    {
      name: "microedge_revocation_oldest_list_timestamp_seconds",
      status: { revocation: REVOCATION },
      samples: ["5"],
      why: "the oldest",
    },
    {
      name: "microedge_revocation_oldest_list_timestamp_seconds",
      status: { revocation: { ...REVOCATION, sources: [] } },
      samples: [],
      why: "no list has no age",
    },
  ];
  for (const { name, status, samples, why } of rows) {
    test(`${name}: ${why}`, () => {
      const whole = { ...STATUS, ...status };
      assert.deepEqual(samplesOf(name, whole), samples);
      assert.deepEqual(samplesOf(name, travelled(whole)), samples, "over the control socket");
    });
  }

  test("queue entries: each kind with what can be wrong with it, not what has ended", () => {
    const samples = samplesOf("microedge_queue_entries", { ...STATUS, queue: QUEUE });
    assert.equal(samples.length, 18);
    assert.ok(samples.includes('{kind="report",state="waiting"} 2'));
    assert.ok(samples.includes('{kind="trust",state="failed"} 1'));
    assert.ok(samples.includes('{kind="re-key",state="waiting"} 0'));
    assert.ok(!samples.join().includes("done"));
  });
});

suite("the whole text", () => {
  const full = { ...STATUS, queue: QUEUE, renewal: RENEWAL, revocation: REVOCATION };
  const text = formatMetrics(full);

  test("every line is a comment or a sample of the metric above it", () => {
    assert.ok(text.endsWith("\n"));
    let current = "";
    for (const line of text.trimEnd().split("\n")) {
      const [, name] = /^# (?:HELP|TYPE) (\w+) /.exec(line) ?? [];
      current = name ?? current;
      if (name !== undefined) continue;
      assert.match(
        line,
        /^microedge_[a-z_]+(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? -?\d+(?:\.\d+)?$/,
      );
      assert.match(line, new RegExp(`^${current}[{ ]`));
    }
  });

  test("no name or address of a peer, authority or file", () => {
    for (const secret of [
      "peer.example",
      "10.0.0",
      "device-7",
      "spiffe",
      "EROFS",
      "/etc",
      "0A0B",
    ]) {
      assert.ok(!text.includes(secret), secret);
    }
  });
});

suite("the table", () => {
  for (const [name, { type, help, labels = [] }] of Object.entries(METRICS)) {
    test(`${name}: well-formed`, () => {
      assert.match(name, /^microedge_[a-z]+(?:_[a-z]+)*$/);
      assert.equal(name.endsWith("_total"), type === "counter", "_total and only counters");
      assert.doesNotMatch(name, /_(?:ms|kib|kb|mib|minutes|hours|days)(?:_|$)/, "base units");
      assert.match(help, /^[A-Z0-9][^\n|\\]*[^.]$/, "one line, no full stop");
      for (const label of labels) assert.match(label, /^[a-z]+$/);
    });
  }
  test("every metric is had from some status, with the labels it says", () => {
    const read = formatMetrics({
      ...{
        ...STATUS,
        queue: QUEUE,
        renewal: RENEWAL,
        commit: "0f",
        events: { "renewal.failed": 1 },
      },
      revocation: { ...REVOCATION, stapleEndsAt: NOW },
      trust: { anchors: 1, firstEndsAt: NOW, lastEndsAt: NOW },
      time: {
        ...{ state: "network", nowMs: NOW, offsetMs: 0, floorMs: NOW, clockWrong: false },
        ...{ words: undefined, floorSource: "build", timeService: "" },
      },
      memory: { ...STATUS.memory, limit: 64 },
      identity: {
        ...(STATUS.identity as NonNullable<StatusView["identity"]>),
        store: {
          ...{ dir: "", writable: true, fault: undefined, healed: [], reserveBytes: 0 },
          wear: { bytesWritten: 1, syncs: 1, bytesToday: 1, budgetBytesPerDay: 1 },
        },
      },
      counters: Object.fromEntries(
        [
          ...["calls", "errors", "streams_open", "events_dropped", "stream_messages_late"],
          ...["connections_accepted", "client_calls", "client_succeeded", "client_retries"],
          ...["client_streams", "limited:agent", "calls_refused:a", "messages_refused:a"],
          ...["client_failed:a", "connections_refused:a", "handshakes_failed:a"],
          ...["peers_refused:a", "peers_observed:a"],
        ].map((name) => [name, 1]),
      ),
    });
    for (const [name, { labels = [] }] of Object.entries(METRICS)) {
      const [, found = ""] = new RegExp(`^${name}(?:\\{(.*)\\})? `, "m").exec(read) ?? [
        name,
        "none",
      ];
      assert.deepEqual(
        [...found.matchAll(/(\w+)="/g)].map(([, label]) => label),
        labels,
        name,
      );
    }
  });
});
