/**
 * A whole agent with a certificate store and everything configured that goes out by itself, on a clock that
 * a test steps, and a network that a test cuts.
 */
import { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Agent } from "#src/agent/agent.ts";
import type { AgentPorts } from "#src/agent/agent-ports.ts";
import { loadConfig } from "#src/agent/config.ts";
import { startAgent } from "#src/agent/start-agent.ts";
import { LineLog } from "#src/host/line-log.ts";
import { formatJson } from "#src/host/log-format.ts";
import type { Network, NetworkAddress } from "#src/host/network.ts";
import { openProcessFigures } from "#src/host/process-figures.ts";
import { readTextFile } from "#src/host/text-file.ts";
import { AdminClient } from "#src/sidecar/admin-client.ts";
import { FakeClock } from "./fake-clock.ts";
import { type LogLine, systemPorts } from "./running-agent.ts";
import { makeSite, type Site } from "./site.ts";

/** Names resolve, and nobody is there. */
export class DeadNetwork implements Network {
  /** By host, as it was asked for; a connection under the name whose address it is. */
  readonly attempts: { readonly host: string; readonly atMs: number }[] = [];
  /** Of `microedge.test` names: the resolver fails as well. */
  resolves = true;
  readonly #clock: FakeClock;
  readonly #names: string[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async lookup(host: string): Promise<readonly NetworkAddress[]> {
    if (!this.resolves) {
      this.#note(host);
      throw Object.assign(new Error("no name server"), { code: "EAI_AGAIN" });
    }
    if (!this.#names.includes(host)) this.#names.push(host);
    return [{ address: `192.0.2.${this.#names.indexOf(host) + 1}`, family: 4 }];
  }

  connect({ address }: NetworkAddress): Socket {
    this.#note(this.#names[Number(address.split(".").at(-1)) - 1] ?? address);
    const socket = new Socket();
    const error = Object.assign(new Error("nobody there"), { code: "ECONNREFUSED" });
    process.nextTick(() => socket.destroy(error));
    return socket;
  }

  #note(host: string): void {
    this.attempts.push({ host, atMs: this.#clock.monotonicMs() });
  }
}

export interface CutOffAgent extends AsyncDisposable {
  readonly agent: Agent;
  readonly clock: FakeClock;
  readonly network: DeadNetwork;
  readonly admin: AdminClient;
  readonly log: readonly LogLine[];
  readonly site: Site;
  /** Lets time pass, a second of the test's own for some hours. */
  pass(ms: number, each?: () => void, stepMs?: number): Promise<void>;
}

/** Steps of the clock; files and sockets of the machine have their turn between. */
const STEP_MS = 30_000;

/** @param more Added to the configuration. */
export async function cutOffAgent(more: string): Promise<CutOffAgent> {
  const site = await makeSite();
  const leaf = await site.pki.issue("roof-7");
  const clock = new FakeClock(Date.now());
  const network = new DeadNetwork(clock);
  const figures = openProcessFigures();
  const lines: LogLine[] = [];
  await site.write(
    "microedge.toml",
    `[rpc]\nlisten = "127.0.0.1:0"\n[store]\ndir = "store"\n[control]\nsocket = "control.sock"\n${more}`,
  );
  const readAgain: AgentPorts["readAgain"] = () =>
    loadConfig(`${site.directory}/microedge.toml`, {
      environment: {},
      workingDirectory: site.directory,
      root: false,
      nowMs: () => clock.now(),
      readText: readTextFile,
    });
  const loaded = await readAgain();
  const log = new LineLog({
    sink: { write: (text) => lines.push(JSON.parse(text) as LogLine) },
    format: formatJson,
    clock,
    level: "info",
  });
  const quiet = async (): Promise<void> => undefined;
  const notifier = { ready: quiet, reloading: quiet, stopping: quiet, status: quiet, alive: quiet };
  const ports: AgentPorts = {
    ...{ ...systemPorts, clock, network, figures, log, readAgain, pid: process.pid },
    ...{ notifier: { ...notifier, watchdogMs: undefined }, version: "1.2.3" },
    memory: () => process.memoryUsage(),
    bootTimeMs: () => 86_400_000,
  };
  const agent = await startAgent(loaded, ports, new AbortController().signal);
  const admin = new AdminClient(`${site.directory}/control.sock`);
  const pass: CutOffAgent["pass"] = async (ms, each = () => undefined, stepMs = STEP_MS) => {
    for (let left = ms; left > 0; left -= stepMs) {
      each();
      await clock.advance(Math.min(stepMs, left));
      await delay(1);
    }
  };
  let installed = false;
  const install = admin.certificates
    .install({
      ...{ certificatesPem: leaf.certificatePem, keyPem: leaf.keyPem, trustPem: site.pki.caPem },
      ...{ dryRun: false, force: false },
    })
    .finally(() => {
      installed = true;
    });
  while (!installed) await pass(100);
  await install;
  return {
    ...{ agent, clock, network, admin, log: lines, site, pass },
    async [Symbol.asyncDispose]() {
      let stopped = false;
      const stopping = agent.stop().finally(() => {
        stopped = true;
      });
      while (!stopped) await pass(100);
      await stopping;
      figures[Symbol.dispose]();
      await site[Symbol.asyncDispose]();
    },
  };
}
