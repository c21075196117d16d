/**
 * A day without any network, with everything configured that goes out by itself: how often the device
 * tries, that nothing tries beside the budget, and that a broken server and an app that calls in a loop
 * take nothing from renewal.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type CutOffAgent, cutOffAgent } from "../fakes/cut-off-agent.ts";

const HOUR_MS = 3_600_000;
const EVERYTHING = `
[issuer]
kind = "step-ca"
url = "https://ca.example:9000"
root_sha256 = "${"ab".repeat(32)}"
[renewal]
at = 0.1
[probation]
peers = ["probe.example:8443"]
[revocation]
crl = ["http://lists-a.example/a.crl", "http://lists-b.example/b.crl"]
ocsp = "soft"
ocsp_responder = "http://ocsp.example/"
[trust]
update_keys = ["ed25519:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw="]
update_url = "http://fleet.example/trust"
[report]
service = "fleet"
[[registry.static]]
service = "fleet"
addresses = ["reports.example:8443"]
[[registry.static]]
service = "greeter"
addresses = ["app.example:8443"]
`;

/** The most in any hour from `fromMs` on. */
function busiestHour(device: CutOffAgent, fromMs: number, host?: string): number {
  const times = device.network.attempts
    .filter((each) => each.atMs >= fromMs && (host === undefined || each.host === host))
    .map(({ atMs }) => atMs);
  const within = times.map((from) => times.filter((at) => at >= from && at < from + HOUR_MS));
  return Math.max(0, ...within.map(({ length }) => length));
}

function hostsOf({ network }: CutOffAgent): readonly string[] {
  return [...new Set(network.attempts.map(({ host }) => host))].toSorted();
}

/** Asks for a renewal, which then waits in the queue: what is asked for is not what is measured. */
function ask({ admin }: CutOffAgent): void {
  admin.renewal.renew().catch(() => undefined);
}

/** The renewal's attempts, as the queue counts them. */
async function renewals({ admin }: CutOffAgent): Promise<number> {
  const { entries } = await admin.queue.list();
  return entries.find(({ kind }) => kind === "re-key")?.attempts ?? 0;
}

/** A bound on what any host meets in an hour, and on all of them, after the first one, in which pauses grow. */
const MOST_A_HOST = 12;
const MOST = 60;
const HOSTS = ["ca", "fleet", "lists-a", "lists-b", "ocsp", "probe", "reports"];

suite("a day without a network", () => {
  for (const { resolves, hours, why } of [
    { resolves: true, hours: 24, why: "nobody answers" },
    { resolves: false, hours: 6, why: "no name is found either" },
  ]) {
    test(`attempts are bounded, and everybody gets some: ${why}`, async (t) => {
      await using device = await cutOffAgent(EVERYTHING);
      device.network.resolves = resolves;
      ask(device);
      await device.pass(hours * HOUR_MS);
      const all = busiestHour(device, HOUR_MS);
      const { length } = device.network.attempts;
      t.diagnostic(`${length} in ${hours} hours, ${all} in the busiest but the first`);
      assert.deepEqual(
        hostsOf(device),
        HOSTS.map((name) => `${name}.example`),
      );
      for (const host of hostsOf(device)) {
        const busiest = busiestHour(device, HOUR_MS, host);
        assert.ok(busiest >= 1 && busiest <= MOST_A_HOST, `${host}: ${busiest} in an hour`);
      }
      assert.equal(
        device.agent.status().queue?.attempts.connections,
        device.network.attempts.length,
        "nothing goes out that does not count",
      );
      assert.ok(all <= MOST, `${all} in an hour, as docs/queue.md says`);
    });
  }

  test("an app that calls in a loop, broken lists and a broken responder take nothing from renewal", async (t) => {
    await using device = await cutOffAgent(EVERYTHING);
    ask(device);
    let calls = 0;
    const call = (): void => {
      calls += 1;
      const request = { service: "greeter", endpoint: "Greeter.Hello", codec: "json" } as const;
      const asked = { ...request, metadata: new Map(), timeoutMs: 5_000 };
      device.admin.call(asked, Buffer.from("{}")).catch(() => undefined);
    };
    await device.pass(HOUR_MS, call, 1_000);
    const apps = device.network.attempts.filter(({ host }) => host === "app.example").length;
    const tried = await renewals(device);
    t.diagnostic(`${calls} calls, ${apps} connections for them; renewal was tried ${tried} times`);
    assert.ok(apps > 500, `the app does press: ${apps} connections`);
    // Its pauses double from a second, so there are nine or more within the hour.
    assert.ok(tried >= 9, `renewal was tried ${tried} times within the hour`);
    const lists = device.network.attempts.filter(({ host }) => host === "lists-a.example").length;
    assert.ok(lists >= 9, `nor do they keep lists from being asked for: ${lists} times`);
  });

  test("is known for an outage, though the authority was never asked", async () => {
    await using device = await cutOffAgent(EVERYTHING);
    await device.pass(3 * HOUR_MS);
    assert.equal(hostsOf(device).includes("ca.example"), false);
    const { longestOutageMs = 0 } = device.agent.status().renewal ?? {};
    assert.ok(longestOutageMs > 2.5 * HOUR_MS, `${longestOutageMs} ms`);
  });
});
