/**
 * The servers that are measured, each pinned to core 0, and the load that drives them, pinned to
 * core 1. All with the same throw-away PKI (ECDSA P-256) and TLS 1.3.
 */
import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { MEMORY_ENVIRONMENT } from "../../scripts/build/launcher.ts";
import { BUNDLE, EXECUTABLE, startAgent } from "../fakes/agent-process.ts";
import { Child, run } from "../fakes/child.ts";
import { type CredentialFiles, makeSite, type Site } from "../fakes/site.ts";

const PEERS = resolve(import.meta.dirname, "../../build/peers");
const SERVER_CORE = "0";
const LOAD_CORE = "1";
const LOAD_MS = 600_000;

/** The single executable where it was built: it is what devices run. */
export const PROGRAM = existsSync(EXECUTABLE) ? EXECUTABLE : BUNDLE;

export interface Server extends AsyncDisposable {
  readonly name: string;
  readonly target: string;
  readonly pid: number;
}

export interface LoadResult {
  readonly answered: number;
  readonly lost: number;
  readonly failed: number;
  readonly wrong: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export type ServerName = "microedge" | "go-micro" | "net/http";

export class Rig implements AsyncDisposable {
  readonly site: Site;
  readonly #program: string;
  readonly #server: CredentialFiles;
  readonly #client: CredentialFiles;

  private constructor(
    site: Site,
    program: string,
    server: CredentialFiles,
    client: CredentialFiles,
  ) {
    this.site = site;
    this.#program = program;
    this.#server = server;
    this.#client = client;
  }

  static async make(): Promise<Rig> {
    for (const name of ["bench-load", "bench-nethttp", "server-v5", "client-v5"]) {
      if (!existsSync(resolve(PEERS, name)))
        throw new Error(`${name} is missing: run scripts/peers`);
    }
    const site = await makeSite();
    const program = await ownCopy(site);
    const server = await site.issue("bench-server");
    return new Rig(site, program, server, await site.issue("bench-client"));
  }

  /** @param config More TOML for the agent; @param mutual Whether clients must show a certificate. */
  async start(
    name: ServerName,
    options: { config?: string; mutual?: boolean } = {},
  ): Promise<Server> {
    const { mutual = true } = options;
    if (name === "microedge") {
      const agent = await this.agent(options.config ?? "", mutual);
      return {
        name,
        target: agent.listen,
        pid: agent.child.pid,
        [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
      };
    }
    const { cert, key, ca } = this.#server;
    const tls = ["--tls-cert", cert, "--tls-key", key, ...(mutual ? ["--tls-ca", ca] : [])];
    const program =
      name === "go-micro"
        ? [resolve(PEERS, "server-v5"), "--name", "microedge"]
        : [resolve(PEERS, "bench-nethttp")];
    const child = new Child(["taskset", "-c", SERVER_CORE, ...program, ...tls]);
    const target = await child.waitFor("READY", (line) => /^READY (\S+)/.exec(line)?.[1]);
    return {
      name,
      target,
      pid: child.pid,
      [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
    };
  }

  /** The built program, with the environment of its unit. `config` is more TOML. */
  agent(config: string, mutual = true): ReturnType<typeof startAgent> {
    const switches = mutual ? "" : "insecure_skip_verify = true\n";
    return startAgent({
      program: ["taskset", "-c", SERVER_CORE, this.#program],
      env: MEMORY_ENVIRONMENT,
      site: this.site,
      credentials: this.#server,
      config: `${config}\n`,
      tls: switches,
    });
  }

  /** Runs the load generator to its end. @param flags As of bench-load. */
  async load(target: string, flags: readonly string[], mutual = true): Promise<LoadResult> {
    const { stdout, stderr, code } = await run(
      ["taskset", "-c", LOAD_CORE, ...this.#loadCommand(target, flags, mutual)],
      { timeoutMs: LOAD_MS },
    );
    const line = stdout.split("\n").findLast((text) => text.startsWith("{"));
    if (line === undefined) throw new Error(`load generator ended with ${code}: ${stderr}`);
    return JSON.parse(line) as LoadResult;
  }

  /** Opens `connections`, makes one call on each and keeps them open until disposed. */
  async hold(target: string, connections: number): Promise<Child> {
    const flags = ["--hold", "--connections", String(connections)];
    const child = new Child([
      "taskset",
      "-c",
      LOAD_CORE,
      ...this.#loadCommand(target, flags, true),
    ]);
    await child.waitFor("HELD", (text) => (text.startsWith("HELD") ? text : undefined), 120_000);
    return child;
  }

  /** A go-micro v5 client that makes calls one after the other on one connection. */
  async goMicroClient(target: string, calls: number): Promise<{ lost: number; failed: number }> {
    const { cert, key, ca } = this.#client;
    const { stdout, stderr } = await run(
      [
        ...(["taskset", "-c", LOAD_CORE, resolve(PEERS, "client-v5")] as const),
        ...["--target", target, "--service", "microedge", "--endpoint", "Agent.Echo"],
        ...["--calls", String(calls), "--timeout", "2s", "--body", '{"text":"hello"}'],
        ...["--tls-cert", cert, "--tls-key", key, "--tls-ca", ca],
      ],
      { timeoutMs: LOAD_MS },
    );
    const line = stdout.split("\n").findLast((text) => text.startsWith("{"));
    if (line === undefined) throw new Error(`go-micro client said nothing: ${stderr}`);
    return JSON.parse(line) as { lost: number; failed: number };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site[Symbol.asyncDispose]();
  }

  #loadCommand(target: string, flags: readonly string[], mutual: boolean): [string, ...string[]] {
    const { cert, key, ca } = this.#client;
    const identity = mutual ? ["--tls-cert", cert, "--tls-key", key] : [];
    return [
      resolve(PEERS, "bench-load"),
      "--target",
      target,
      ...flags,
      ...identity,
      "--tls-ca",
      ca,
    ];
  }
}

/**
 * The single executable copied, so that no other process shares its pages and no build replaces it
 * meanwhile. The launcher stays where the bundle is.
 */
async function ownCopy(site: Site): Promise<string> {
  if (PROGRAM !== EXECUTABLE) return PROGRAM;
  const copy = join(site.directory, "microedge");
  await copyFile(PROGRAM, copy);
  return copy;
}
