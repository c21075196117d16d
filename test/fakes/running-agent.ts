/**
 * A whole agent inside the test process: real sockets on loopback, real files, its log in memory.
 */
import { Buffer } from "node:buffer";
import { setTimeout as delay } from "node:timers/promises";
import type { Agent } from "#src/agent/agent.ts";
import type { AgentPorts, StatePorts } from "#src/agent/agent-ports.ts";
import { loadConfig } from "#src/agent/config.ts";
import { startAgent } from "#src/agent/start-agent.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemDirectoryLock } from "#src/host/directory-lock.ts";
import { systemFiles } from "#src/host/files.ts";
import { LineLog } from "#src/host/line-log.ts";
import { formatJson } from "#src/host/log-format.ts";
import { systemNetwork } from "#src/host/network.ts";
import { openProcessFigures } from "#src/host/process-figures.ts";
import { systemPrograms } from "#src/host/programs.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import type { ServiceNotifier } from "#src/host/systemd.ts";
import { readTextFile } from "#src/host/text-file.ts";
import { AdminClient } from "#src/sidecar/admin-client.ts";
import { makeSite, type Site } from "./site.ts";

export interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

/** What an agent is started from. Dispose it after the agent. */
export interface Ground extends AsyncDisposable {
  readonly site: Site;
  readonly configPath: string;
  readonly controlPath: string;
  /** Everything logged so far. */
  readonly log: readonly LogLine[];
  /** What systemd was told, in order. */
  readonly told: readonly string[];
  readonly admin: AdminClient;
  /** Replaces the configuration; TLS and control socket sections are added. */
  configure(toml: string): Promise<void>;
  /** Starts an agent from the configuration as it is. */
  start(environment?: Readonly<Record<string, string>>): Promise<Agent>;
  /** The first line of this event, past or future; fails after 10 s. */
  event(name: string): Promise<LogLine>;
}

/** The machine as it is, but for time services: a test does not ask who set its clock. */
export const systemPorts: StatePorts = {
  clock: systemClock,
  random: systemRandom,
  files: systemFiles,
  network: systemNetwork,
  disk: systemStateDisk,
  lock: systemDirectoryLock(systemClock),
  programs: systemPrograms,
  uid: process.geteuid?.() ?? 0,
  credentialsDirectory: undefined,
  bootTimeMs: () => undefined,
  timeSync: async () => ({ synchronised: true, words: "as the test says" }),
};

export async function makeGround(toml = '[rpc]\nlisten = "127.0.0.1:0"\n'): Promise<Ground> {
  const site = await makeSite();
  await site.issue("microedge");
  const figures = openProcessFigures();
  const lines: LogLine[] = [];
  const told: string[] = [];
  const controlPath = `${site.directory}/control.sock`;
  const configure = async (text: string): Promise<void> => {
    const tls = 'cert = "microedge.crt"\nkey = "microedge.key"\nca = "ca.crt"\n';
    const rest = text.includes("insecure_plaintext = true") ? "" : `[tls]\n${tls}`;
    await site.write("microedge.toml", `${text}\n${rest}[control]\nsocket = "control.sock"\n`);
  };
  await configure(toml);
  const configPath = `${site.directory}/microedge.toml`;
  const start = async (environment: Readonly<Record<string, string>> = {}): Promise<Agent> => {
    const readAgain: AgentPorts["readAgain"] = () =>
      loadConfig(configPath, {
        environment,
        workingDirectory: site.directory,
        root: false,
        nowMs: systemClock.now,
        readText: readTextFile,
      });
    const loaded = await readAgain();
    const log = new LineLog({
      sink: { write: (text) => lines.push(JSON.parse(text) as LogLine) },
      format: formatJson,
      clock: systemClock,
      level: loaded.config.log.level,
    });
    const ports: AgentPorts = {
      ...systemPorts,
      figures,
      notifier: listener(told),
      log,
      pid: process.pid,
      version: "1.2.3",
      memory: () => process.memoryUsage(),
      readAgain,
    };
    return startAgent(loaded, ports, new AbortController().signal);
  };
  return {
    site,
    configPath,
    controlPath,
    log: lines,
    told,
    admin: new AdminClient(controlPath),
    configure,
    start,
    async event(name) {
      for (let tries = 0; tries < 1_000; tries += 1) {
        const found = lines.find((line) => line.event === name);
        if (found !== undefined) return found;
        await delay(10);
      }
      throw new Error(`no event ${name} in ${lines.map((line) => line.event).join(", ")}`);
    },
    async [Symbol.asyncDispose]() {
      figures[Symbol.dispose]();
      await site[Symbol.asyncDispose]();
    },
  };
}

function listener(told: string[]): ServiceNotifier {
  const hear =
    (what: string) =>
    async (text = ""): Promise<void> => {
      told.push(`${what} ${text}`.trim());
    };
  return {
    ready: hear("ready"),
    reloading: hear("reloading"),
    stopping: hear("stopping"),
    status: hear("status"),
    alive: hear("alive"),
    watchdogMs: undefined,
  };
}

/** A JSON call through the control socket; the reply as text. */
export async function callJson(
  admin: AdminClient,
  service: string,
  endpoint: string,
  body: string,
  timeoutMs?: number,
): Promise<string> {
  const reply = await admin.call(
    { service, endpoint, codec: "json", metadata: new Map(), timeoutMs },
    Buffer.from(body),
  );
  return Buffer.from(reply.body).toString();
}
