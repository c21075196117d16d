/**
 * The demonstration, step by step.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { usage } from "../arguments.ts";
import { readyLine } from "./ready-line.ts";
import { renewLate } from "./renewal-steps.ts";
import { expectText, type Scene } from "./scene.ts";

export interface GoPeers {
  readonly server: string;
  readonly client: string;
  /** step-ca. */
  readonly authority: string;
}

/** @throws AgentError `ERR_USAGE` when the directory does not hold the programs. */
export function findGoPeers(directory: string): GoPeers {
  const peers = {
    server: join(directory, "server-v5"),
    client: join(directory, "client-v5"),
    authority: join(directory, "step-ca"),
  };
  const missing = Object.values(peers).find((path) => !existsSync(path));
  if (missing === undefined) return peers;
  throw usage(`--go-peers: ${missing} is missing; scripts/peers builds it`, "microedge help demo");
}

const LOOPBACK_SANS = "dns:localhost,ip:127.0.0.1";
const GATEWAY_SANS = `${LOOPBACK_SANS},uri:spiffe://demo/gateway`;
const HELLO = '{"text":"hello"}';

/** Runs every step. @throws AgentError for the first that does not work. */
export async function playSteps(scene: Scene, peers: GoPeers | undefined): Promise<void> {
  await scene.microedge("a certificate authority, thrown away afterwards", "pki", "init");
  await scene.microedge(
    "a certificate for this agent",
    ...["pki", "issue", "gateway", "--san", GATEWAY_SANS],
  );
  const greeter = peers === undefined ? undefined : await startGreeter(scene, peers);
  const config = await writeConfig(scene, greeter);
  await scene.microedge(
    "the certificate, its key and the trust bundle go into the certificate store",
    ...importWords("gateway", config),
  );
  const { ready: listen } = await scene.startMicroedge(
    "the agent, with mutual TLS 1.3 on a free port of this machine",
    ["run", "--config", config],
    readyLine,
  );
  scene.note(`it serves on ${listen}`);
  expectText(
    await scene.microedge(
      "a call through the agent's control socket",
      ...["call", "microedge", "Agent.Echo", HELLO, "--config", config],
    ),
    '"text":"hello"',
  );
  expectText(
    await scene.microedge(
      "the same call directly, over mutual TLS",
      ...["call", "microedge", "Agent.Echo", HELLO, "--address", listen, "--config", config],
    ),
    '"text":"hello"',
  );
  if (peers !== undefined) await callBothWays(scene, peers, listen, config);
  await replaceCertificate(scene, listen, config);
  await scene.microedge("what the agent says of itself", "status", "--config", config);
  await scene.microedge("is anything wrong?", "doctor", "--config", config);
  if (peers !== undefined) await renewLate(scene, peers.authority);
}

function importWords(name: string, config: string): string[] {
  const files = ["--cert", `pki/${name}.crt`, "--key", `pki/${name}.key`, "--ca", "pki/ca.crt"];
  return ["cert", "import", ...files, "--config", config];
}

/** The agent goes on serving; open connections do not notice. */
async function replaceCertificate(scene: Scene, listen: string, config: string): Promise<void> {
  await scene.microedge(
    "the next certificate for the same device",
    ...["pki", "issue", "renewed", "--san", GATEWAY_SANS],
  );
  expectText(
    await scene.microedge(
      "the running agent takes it, without dropping a connection",
      ...importWords("renewed", config),
    ),
    "the running agent uses it",
  );
  expectText(
    await scene.microedge(
      "a call over mutual TLS with the new certificate",
      ...["call", "microedge", "Agent.Echo", HELLO, "--address", listen, "--config", config],
    ),
    '"text":"hello"',
  );
}

async function startGreeter(scene: Scene, peers: GoPeers): Promise<string> {
  await scene.microedge(
    "a certificate for a go-micro service in Go",
    ...["pki", "issue", "go-peer", "--san", LOOPBACK_SANS],
  );
  const flags = ["--until-stdin-ends", ...goTlsFlags()];
  const { ready } = await scene.start(
    "a real go-micro v5 service",
    ["server-v5", ...flags],
    [peers.server, ...flags],
    (line) => /^READY (\S+)/.exec(line)?.[1],
  );
  return ready;
}

async function callBothWays(
  scene: Scene,
  peers: GoPeers,
  listen: string,
  config: string,
): Promise<void> {
  expectText(
    await scene.microedge(
      "microedge calls the go-micro v5 service over mutual TLS",
      ...["call", "greeter", "Greeter.Hello", '{"firstName":"microedge"}', "--config", config],
    ),
    "microedge",
  );
  const call = ["--service", "microedge", "--endpoint", "Agent.Echo"];
  expectText(
    await scene.program("a real go-micro v5 client calls microedge over mutual TLS", "client-v5", [
      peers.client,
      ...["--target", listen, ...call, "--body", '{"text":"hello from Go"}'],
      ...goTlsFlags(),
    ]),
    "hello from Go",
  );
}

function goTlsFlags(): string[] {
  return [
    "--tls-cert",
    "pki/go-peer.crt",
    "--tls-key",
    "pki/go-peer.key",
    "--tls-ca",
    "pki/ca.crt",
  ];
}

async function writeConfig(scene: Scene, greeter: string | undefined): Promise<string> {
  const lines = [
    "[rpc]",
    'listen = "127.0.0.1:0"',
    "[store]",
    'dir = "store"',
    "[control]",
    'socket = "control.sock"',
  ];
  if (greeter !== undefined) {
    lines.push("[[registry.static]]", 'service = "greeter"', `addresses = ["${greeter}"]`);
  }
  const path = join(scene.directory, "microedge.toml");
  await writeFile(path, `${lines.join("\n")}\n`, { mode: 0o600 });
  const end = await scene.microedge("a configuration", "config", "check", "--config", path);
  if (end.code === 0) scene.note(lines.join("\n"));
  return path;
}
