/** Real go-micro services and clients as processes; `scripts/peers` builds them. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Child, run } from "../fakes/child.ts";
import type { CredentialFiles, Site } from "../fakes/site.ts";

const PEERS = resolve(import.meta.dirname, "../../build/peers");

/** v6 is not to be had as a Go module: its recorded bytes are replayed in test/conformance. */
export const VERSIONS = ["v4", "v5"] as const;
export type Version = (typeof VERSIONS)[number];

export const CODECS = ["json", "proto", "json-rpc", "proto-rpc"] as const;

// v5 warns of its unverified default in parts that no test uses.
const ENV = { MICRO_TLS_SECURE: "true" };

/** A message in protobuf's JSON; these fields are of Echo and of HelloResponse. */
export interface Reply {
  readonly seq?: string;
  readonly data?: string;
  readonly seqNo?: string;
  readonly greetingText?: string;
  readonly [field: string]: unknown;
}

/** One line of a Go client's output (plain/contract). */
export interface Line {
  readonly event: "reply" | "message" | "error" | "end" | "closed" | "calls";
  readonly reply?: Reply;
  readonly error?: string;
  readonly lost: number;
  readonly failed: number;
  readonly wrong: number;
  readonly errors?: Readonly<Record<string, number>>;
}

export interface MicroErrorJson {
  readonly id: string;
  readonly code: number;
  readonly detail: string;
  readonly status: string;
}

function program(name: string): string {
  const path = resolve(PEERS, name);
  if (!existsSync(path)) throw new Error(`${path} is missing: run scripts/peers`);
  return path;
}

function tlsFlags({ cert, key, ca }: CredentialFiles): string[] {
  return ["--tls-cert", cert, "--tls-key", key, "--tls-ca", ca];
}

export interface GoServer extends AsyncDisposable {
  /** "127.0.0.1:PORT" */
  readonly address: string;
  readonly child: Child;
}

/** A go-micro service with mutual TLS 1.3. */
export async function startGoServer(
  version: Version,
  credentials: CredentialFiles,
  ...flags: readonly string[]
): Promise<GoServer> {
  const command = [program(`server-${version}`), "--until-stdin-ends", ...flags] as const;
  const child = new Child([...command, ...tlsFlags(credentials)], { env: ENV });
  try {
    const address = await child.waitFor("READY", (line) => /^READY (\S+)/.exec(line)?.[1]);
    return { address, child, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** A go-micro client with a certificate of its own, aimed at one address. */
export class GoClient {
  readonly #version: Version;
  readonly #target: string;
  readonly #credentials: CredentialFiles;

  constructor(version: Version, target: string, credentials: CredentialFiles) {
    this.#version = version;
    this.#target = target;
    this.#credentials = credentials;
  }

  /** Runs it once; `flags` as its `--help` lists them. Answers what it printed. */
  async lines(...flags: readonly string[]): Promise<readonly Line[]> {
    const { stdout, stderr, code } = await run(
      [
        program(`client-${this.#version}`),
        ...["--target", this.#target, ...flags],
        ...tlsFlags(this.#credentials),
      ],
      { env: ENV, timeoutMs: 300_000 },
    );
    if (code !== 0 && code !== 1) throw new Error(`go-micro client ended with ${code}: ${stderr}`);
    return stdout.split("\n").map((line) => JSON.parse(line) as Line);
  }

  /** The reply of one unary call. @throws Error with the error that came instead. */
  async reply(...flags: readonly string[]): Promise<Reply> {
    const [line] = await this.lines(...flags);
    if (line?.reply === undefined) throw new Error(`no reply but ${line?.error}`);
    return line.reply;
  }

  /** The go-micro error of one unary call. @throws Error when there was none. */
  async error(...flags: readonly string[]): Promise<MicroErrorJson> {
    const [line] = await this.lines(...flags);
    if (line?.error === undefined) throw new Error(`no error but ${JSON.stringify(line?.reply)}`);
    return JSON.parse(line.error) as MicroErrorJson;
  }
}

/** Credentials of an agent, a Go peer and their common authority. */
export async function pairOf(
  site: Site,
): Promise<{ readonly agent: CredentialFiles; readonly peer: CredentialFiles }> {
  return { agent: await site.issue("microedge"), peer: await site.issue("go-peer") };
}
