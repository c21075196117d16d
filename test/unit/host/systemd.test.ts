import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type LogEvent, type LogFields, SILENT } from "#src/base/log.ts";
import { systemdNotifier } from "#src/host/systemd.ts";

function notifier(environment: Readonly<Record<string, string>>, fails = false) {
  const sent: (readonly string[])[] = [];
  const logged: [LogEvent, LogFields | undefined][] = [];
  const notify = systemdNotifier({
    environment,
    pid: 42,
    log: { ...SILENT, emit: (event, fields) => logged.push([event, fields]) },
    async send(assignments) {
      sent.push(assignments);
      if (fails) throw new Error("no such command");
    },
  });
  return { notify, sent, logged };
}

const SOCKET = { NOTIFY_SOCKET: "/run/systemd/notify" };

suite("systemd is told", () => {
  test("each state in its own words", async () => {
    const { notify, sent } = notifier(SOCKET);
    await notify.ready("serving on 127.0.0.1:1");
    await notify.reloading();
    await notify.stopping("finishing 2 calls");
    await notify.status("waiting");
    await notify.alive();
    assert.match(sent[1]?.[1] ?? "", /^MONOTONIC_USEC=\d+$/);
    assert.deepEqual(
      sent.map((assignments) => assignments.filter((each) => !each.startsWith("MONOTONIC"))),
      [
        ["READY=1", "STATUS=serving on 127.0.0.1:1"],
        ["RELOADING=1", "STATUS=reloading"],
        ["STOPPING=1", "STATUS=finishing 2 calls"],
        ["STATUS=waiting"],
        ["WATCHDOG=1"],
      ],
    );
  });

  test("a line end can't smuggle a second assignment in", async () => {
    const { notify, sent } = notifier(SOCKET);
    await notify.status("a\nMAINPID=1");
    assert.deepEqual(sent, [["STATUS=a MAINPID=1"]]);
  });

  test("nothing outside systemd", async () => {
    const { notify, sent } = notifier({ WATCHDOG_USEC: "30000000" });
    await notify.ready("x");
    assert.deepEqual([sent, notify.watchdogMs], [[], undefined]);
  });

  test("a failure is logged and harms nobody", async () => {
    const { notify, logged } = notifier(SOCKET, true);
    await notify.alive();
    assert.deepEqual(logged, [
      ["notify.failed", { message: "WATCHDOG=1", reason: "no such command" }],
    ]);
  });
});

suite("watchdog interval", () => {
  const rows = [
    { env: { WATCHDOG_USEC: "30000000" }, ms: 15_000, why: "half of what is granted" },
    { env: { WATCHDOG_USEC: "30000000", WATCHDOG_PID: "42" }, ms: 15_000, why: "meant for us" },
    { env: { WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }, ms: undefined, why: "for another" },
    { env: {}, ms: undefined, why: "none asked for" },
    { env: { WATCHDOG_USEC: "0" }, ms: undefined, why: "off" },
    { env: { WATCHDOG_USEC: "soon" }, ms: undefined, why: "not a number" },
  ];
  for (const { env, ms, why } of rows) {
    test(`${JSON.stringify(env)}: ${why}`, () =>
      assert.equal(notifier({ ...SOCKET, ...env }).notify.watchdogMs, ms));
  }
});
