/** Load from Go clients that notices every call and message that goes wrong. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { run } from "../fakes/child.ts";
import type { CredentialFiles } from "../fakes/site.ts";
import { GoClient, type Line } from "./go-peer.ts";

const PEERS = resolve(import.meta.dirname, "../../build/peers");
/** Such that a stream never ends by itself; its client prints a line for each message. */
const ENDLESS = "1000000000";
const ECHO = ["--service", "microedge", "--endpoint", "Agent.Echo"] as const;

interface LoadLine {
  readonly answered: number;
  readonly lost: number;
  readonly failed: number;
  readonly wrong: number;
}

export interface Load {
  /** Calls on connections that stay open. */
  readonly kept: number;
  /** Calls with a new connection for each. */
  readonly fresh: number;
  /** Output of the clients that had a call that failed, was lost or was answered wrongly. */
  readonly faults: readonly string[];
}

/** Calls while `going`: two at a time on kept connections, and two at a time on new ones. */
export async function underLoad(
  target: string,
  peer: CredentialFiles,
  going: () => boolean,
): Promise<Load> {
  const totals = { kept: 0, fresh: 0 };
  const faults: string[] = [];
  const judge = ({ lost, failed, wrong }: Omit<LoadLine, "answered">, text: string): void => {
    if (lost + failed + wrong > 0) faults.push(text);
  };
  const go = new GoClient("v5", target, peer);
  const calling = async (): Promise<void> => {
    while (going()) {
      const [line] = await go.lines(...ECHO, "--calls", "500", "--concurrency", "2");
      assert.ok(line !== undefined);
      totals.kept += 500;
      judge(line, JSON.stringify(line));
    }
  };
  const reconnecting = async (): Promise<void> => {
    while (going()) {
      const { stdout } = await run([
        resolve(PEERS, "bench-load"),
        ...["--target", target, "--connections", "2", "--calls", "100", "--reconnect"],
        ...["--timeout", "10s"],
        ...["--tls-cert", peer.cert, "--tls-key", peer.key, "--tls-ca", peer.ca],
      ]);
      const line = JSON.parse(stdout) as LoadLine;
      totals.fresh += line.answered;
      judge(line, stdout);
    }
  };
  await Promise.all([calling(), reconnecting()]);
  return { ...totals, faults };
}

/** A go-micro client whose stream goes on until it is told to stop. */
export class OpenStream {
  /** Messages that came back, in order. */
  messages = 0;
  /** The first line that was not the next message. */
  fault: string | undefined;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #wake = Promise.withResolvers<void>();

  constructor(target: string, { cert, key, ca }: CredentialFiles) {
    this.#child = spawn(
      resolve(PEERS, "client-v5"),
      [
        ...["--target", target, "--service", "microedge", "--endpoint", "Agent.EchoStream"],
        ...["--mode", "chat", "--calls", ENDLESS, "--timeout", "10m"],
        ...["--tls-cert", cert, "--tls-key", key, "--tls-ca", ca],
      ],
      { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, MICRO_TLS_SECURE: "true" } },
    );
    this.#ended = once(this.#child, "exit").then(() => this.#wake.resolve());
    if (this.#child.stdout === null) throw new TypeError("standard output is a pipe");
    createInterface({ input: this.#child.stdout }).on("line", (text) => this.#take(text));
  }

  get open(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when more messages than that have come; rejects when the stream has ended before. */
  async beyond(count: number): Promise<void> {
    while (this.messages <= count) {
      if (this.fault !== undefined) throw new Error(`the stream broke: ${this.fault}`);
      if (!this.open) throw new Error(`the stream ended after ${this.messages} messages`);
      await this.#wake.promise;
    }
  }

  async stop(): Promise<void> {
    this.#child.kill();
    await this.#ended;
  }

  #take(text: string): void {
    const line = JSON.parse(text) as Line;
    const seq = Number(line.reply?.seq ?? 0);
    if (line.event === "message" && seq === this.messages) this.messages += 1;
    else this.fault ??= text;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
