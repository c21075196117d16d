/**
 * The built program reports to real go-micro services what became of its identity while they were away.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { testPki } from "../fakes/certificates.ts";
import { makeSite, type Site } from "../fakes/site.ts";
import { type GoServer, startGoServer, VERSIONS, type Version } from "./go-peer.ts";

interface Report {
  readonly device: string;
  readonly epoch: string;
  readonly report: number;
  readonly kind: string;
  readonly outcome: string;
  readonly generation: number;
  readonly at: number;
  readonly serial: string;
  readonly fingerprint: string;
  readonly reasons: readonly { readonly code: string; readonly words: string }[];
  readonly lost: number;
}

const STORE = '[store]\ndir = "store"\n[tls]\n';

/** What a service has printed of the reports it took. */
function taken({ child }: GoServer, word: "REPORT" | "AGAIN"): readonly Report[] {
  return child.stdout
    .filter((line) => line.startsWith(`${word} `))
    .map((line) => JSON.parse(line.slice(word.length)) as Report);
}

function sentence({ report, kind, outcome, generation }: Report): string {
  return `${report} ${kind} ${outcome} ${generation}`;
}

async function arrives(fleet: GoServer, number: number): Promise<void> {
  await fleet.child.waitFor(`report ${number}`, (line) =>
    line.startsWith("REPORT ") && JSON.parse(line.slice(7)).report === number ? line : undefined,
  );
}

/** The address of a service that is not there now. */
async function awayAt(version: Version, site: Site): Promise<string> {
  await using server = await startGoServer(version, await site.issue("fleet"));
  return server.address;
}

const configOf = (fleet: string, probe?: string): string => `
[client]\nconnect_timeout_ms = 2000
[report]\nservice = "fleet"
${probe === undefined ? "" : `[probation]\npeers = ["${probe}"]`}
[[registry.static]]\nservice = "fleet"\naddresses = ["${fleet}"]\n`;

async function importFrom(
  agent: AgentProcess,
  site: Site,
  name: string,
  pki: Awaited<ReturnType<typeof testPki>>,
  bundle: string,
): Promise<void> {
  const leaf = await pki.issue("microedge");
  const files = [
    ...["--cert", await site.write(`${name}.crt`, leaf.certificatePem)],
    ...["--key", await site.write(`${name}.key`, leaf.keyPem)],
    ...["--ca", await site.write(`${name}-ca.crt`, bundle)],
  ];
  const { code, stderr } = await agent.microedge("cert", "import", ...files);
  assert.equal(code, 0, stderr);
}

async function reportsOf(agent: AgentProcess): Promise<readonly string[]> {
  const { stdout } = await agent.microedge("queue", "list", "--json");
  const { entries } = JSON.parse(stdout) as {
    readonly entries: readonly { id: string; kind: string; state: string }[];
  };
  return entries
    .filter(({ kind, state }) => kind === "report" && (state === "waiting" || state === "running"))
    .map(({ id }) => id);
}

for (const version of VERSIONS) {
  suite(`reports to go-micro ${version}`, { concurrency: 2 }, () => {
    test("a fall-back without a network, the power lost twice: all arrive, in order, each once", {
      timeout: 180_000,
    }, async () => {
      await using site = await makeSite();
      await using probe = await startGoServer("v5", await site.issue("probe"));
      const address = await awayAt(version, site);
      const config = configOf(address, probe.address);
      await using agents = new AsyncDisposableStack();
      let agent = agents.use(await startAgent({ site, inStore: true, config }));
      await agent.event("certificate.proven");
      const foreign = await testPki("Foreign CA");
      await importFrom(agent, site, "foreign", foreign, site.pki.caPem + foreign.caPem);
      agent.child.signal("SIGKILL");
      await agent.child.ended;

      agent = agents.use(await startAgent({ site, identity: STORE, config }));
      await agent.event("certificate.fallback", undefined, 90_000);
      await agent.event("report.made", (line) => line["outcome"] === "fallen-back");
      const waiting = await reportsOf(agent);
      assert.equal(waiting.length, 7, waiting.join());

      const credentials = await site.issue("fleet");
      await using fleet = await startGoServer(version, credentials, "--addr", address);
      const tried = agent.microedge("queue", "retry", "report-1");
      await arrives(fleet, 1);
      agent.child.signal("SIGKILL");
      await agent.child.ended;
      await tried;

      agent = agents.use(await startAgent({ site, identity: STORE, config }));
      const [oldest] = await reportsOf(agent);
      if (oldest !== undefined) await agent.microedge("queue", "retry", oldest);
      await arrives(fleet, 7);
      const reports = taken(fleet, "REPORT");
      assert.deepEqual(reports.map(sentence), [
        "1 epoch begun 1",
        "2 generation in-force 1",
        "3 generation confirmed 1",
        "4 generation in-force 2",
        "5 trust replaced 2",
        "6 generation bad 2",
        "7 generation fallen-back 1",
      ]);
      assert.equal(reports[5]?.reasons[0]?.code, "peer-refuses-it");
      assert.equal(reports[6]?.fingerprint, reports[0]?.fingerprint);
      assert.notEqual(reports[5]?.fingerprint, reports[0]?.fingerprint);
      assert.equal(new Set(reports.map(({ epoch, device }) => `${device} ${epoch}`)).size, 1);
      for (const again of taken(fleet, "AGAIN")) {
        assert.deepEqual(
          again,
          reports.find(({ report }) => report === again.report),
        );
      }
      assert.doesNotMatch(fleet.child.stdout.join("\n"), /BEGIN|PRIVATE/);
    });

    test("imported while no agent ran; one that the service refuses holds up nothing", {
      timeout: 120_000,
    }, async () => {
      await using site = await makeSite();
      const credentials = await site.issue("fleet");
      await using fleet = await startGoServer(version, credentials, "--refuse-report", "2");
      const config = configOf(fleet.address);
      const first = await startAgent({ site, inStore: true, config });
      const refused = await first.event("report.refused");
      assert.equal(refused["report"], 2);
      assert.match(String(refused["reason"]), /400.*report 2 is not wanted/);
      await first.stop();
      await importFrom(first, site, "second", site.pki, site.pki.caPem);
      await using agent = await startAgent({ site, identity: STORE, config });
      await arrives(fleet, 3);
      assert.deepEqual(taken(fleet, "REPORT").map(sentence), [
        "1 epoch begun 1",
        "3 generation in-force 2",
      ]);
      assert.equal(taken(fleet, "REPORT")[1]?.lost, 1);
      assert.deepEqual(await reportsOf(agent), []);
    });
  });
}
