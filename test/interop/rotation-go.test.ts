/**
 * The identity is replaced again and again while Go clients call: on connections that stay open, on a new
 * connection for every call, and on streams that are open all the time. Nobody may notice.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before, suite, test } from "node:test";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { run } from "../fakes/child.ts";
import { FULL } from "../fakes/needs.ts";
import { makeDevice, type RotatingDevice } from "../fakes/rotating-device.ts";
import { type CredentialFiles, makeSite, type Site } from "../fakes/site.ts";
import { GoClient, type Line } from "./go-peer.ts";

const ROTATIONS = FULL ? 1000 : 50;
const STREAMS = 2;
/** Shut so that a stream never ends by itself; its client prints a line for each. */
const ENDLESS = "1000000000";
const PEERS = resolve(import.meta.dirname, "../../build/peers");
const ECHO = ["--service", "microedge", "--endpoint", "Agent.Echo"] as const;

interface LoadLine {
  readonly answered: number;
  readonly lost: number;
  readonly failed: number;
  readonly wrong: number;
}

/** A go-micro client whose stream goes on until it is told to stop. */
class OpenStream {
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

suite(`${ROTATIONS} rotations under load from Go clients`, () => {
  let site: Site;
  let device: RotatingDevice;
  let peer: CredentialFiles;
  before(async () => {
    site = await makeSite();
    device = await makeDevice();
    peer = await site.issue("go-peer");
  });
  after(async () => {
    await device[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  test("no failed call, no broken stream", async (t) => {
    let serial = "";
    const rotate = async (): Promise<void> => {
      const leaf = await site.pki.issue("device");
      serial = parseCertificate(leaf.certificatePem).summary.serial;
      const content = await device.content(leaf, site.pki.caPem);
      await device.rotator.install(content, { origin: "renewal" });
    };
    await rotate();
    await using listener = await device.listen();
    const target = String(listener.address);
    const streams = Array.from({ length: STREAMS }, () => new OpenStream(target, peer));
    t.after(() => Promise.all(streams.map((stream) => stream.stop())));
    await Promise.all(streams.map((stream) => stream.beyond(0)));

    let rotations = 0;
    const rotating = async (): Promise<void> => {
      while (rotations < ROTATIONS) {
        await rotate();
        rotations += 1;
      }
    };
    const totals = { kept: 0, fresh: 0, bad: 0 };
    const faults: string[] = [];
    const count = ({ lost, failed, wrong }: Omit<LoadLine, "answered">, text: string): void => {
      const bad = lost + failed + wrong;
      totals.bad += bad;
      if (bad > 0) faults.push(text);
    };
    const go = new GoClient("v5", target, peer);
    const calling = async (): Promise<void> => {
      while (rotations < ROTATIONS) {
        const [line] = await go.lines(...ECHO, "--calls", "500", "--concurrency", "2");
        assert.ok(line !== undefined);
        totals.kept += 500;
        count(line, JSON.stringify(line));
      }
    };
    const reconnecting = async (): Promise<void> => {
      while (rotations < ROTATIONS) {
        const { stdout } = await run([
          resolve(PEERS, "bench-load"),
          ...["--target", target, "--connections", "2", "--calls", "100", "--reconnect"],
          ...["--timeout", "10s"],
          ...["--tls-cert", peer.cert, "--tls-key", peer.key, "--tls-ca", peer.ca],
        ]);
        const line = JSON.parse(stdout) as LoadLine;
        totals.fresh += line.answered;
        count(line, stdout);
      }
    };
    await Promise.all([rotating(), calling(), reconnecting()]);

    assert.equal(totals.bad, 0, faults.join("\n"));
    assert.ok(totals.kept > 0 && totals.fresh > 0, JSON.stringify(totals));
    // Each stream lived through every rotation, and still does.
    await Promise.all(streams.map((stream) => stream.beyond(stream.messages)));
    assert.deepEqual(
      streams.map(({ fault }) => fault),
      streams.map(() => undefined),
    );
    assert.equal(device.store.current?.number, ROTATIONS + 1);
    assert.equal(device.log.of("certificate.rotated").length, ROTATIONS + 1);
    assert.equal(device.source.leaf?.summary.serial, serial);
    const messages = streams.reduce((sum, stream) => sum + stream.messages, 0);
    t.diagnostic(
      `${rotations} rotations; ${totals.kept} calls on kept connections, ${totals.fresh} on new ones, ` +
        `${messages} messages on ${STREAMS} streams; 0 failed, 0 broken; ` +
        `${Math.round(device.store.wear.bytesWritten / (ROTATIONS + 1))} bytes and ` +
        `${(device.store.wear.syncs / (ROTATIONS + 1)).toFixed(1)} syncs a rotation`,
    );
  });
});
