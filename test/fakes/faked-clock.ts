/**
 * A program that meets itself over mutual TLS while libfaketime (or nobody) moves its clock; see
 * `test/fault/time-clocks.test.ts`. Certificates come from the parent, whose clock is right. Every line
 * on standard input is a number and a question, every answer one line: the number and JSON.
 */
import { once } from "node:events";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { readBootTimeMs } from "#src/host/boot-time.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { systemRandom } from "#src/host/random.ts";
import { JumpWatch } from "#src/identity/time/jump-watch.ts";
import { parseFleetKey } from "#src/identity/time/time-statement.ts";
import type { NotYetValidPolicy } from "#src/identity/time/time-view.ts";
import { openTrustedTime } from "#src/identity/time/trusted-time.ts";
import { TlsDialer } from "#src/transport/tls-dialer.ts";
import { HandSource } from "./certificates.ts";
import { RecordingLog, startRig } from "./network-rig.ts";
import { DEVICE, MemoryNotes } from "./trusted-time.ts";

export interface FakedClockInput {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly trustBundlePem: string;
  readonly builtAt: number;
  readonly policy: NotYetValidPolicy;
  readonly fleetKey: string;
}

const input: FakedClockInput = JSON.parse(process.env["FAKED_CLOCK_INPUT"] ?? "{}");
const { chainPem, keyPem, trustBundlePem, builtAt, policy } = input;
const log = new RecordingLog();
const clock = systemClock;
const jumps = new JumpWatch({ clock, log, bootTimeMs: readBootTimeMs });
const notes = new MemoryNotes();
const time = await openTrustedTime({
  ...{ notes, jumps, clock, log, builtAt },
  device: () => DEVICE,
  fleetKeys: [parseFleetKey(input.fleetKey)],
  policy: { notYetValid: policy, expiredGraceMs: 0 },
  random: systemRandom,
});
const source = new HandSource({ chainPem, key: keyPem, trustBundlePem, digest: "-" });
const tls = { kind: "tls", source, minVersion: "1.3" } as const;
const rig = await startRig({ ...tls, verify: { kind: "enforce" } }, { time, log });
const dialer = new TlsDialer({
  security: { ...tls, verify: "enforce" },
  network: systemNetwork,
  connectTimeoutMs: 5000,
  ...{ clock, time, log },
});
let open: Socket | undefined;

async function dial(): Promise<string> {
  const target = { host: "127.0.0.1", port: rig.port, alpn: ["http/1.1"] };
  try {
    open = (await dialer.dial(target, new AbortController().signal)).socket;
  } catch (error) {
    return (error as Error).message;
  }
  return echo();
}

/** Over the connection that is open. */
async function echo(): Promise<string> {
  open?.write("hello");
  const [chunk] = open === undefined ? ["no connection"] : await once(open, "data");
  return String(chunk);
}

const ANSWERS: Readonly<Record<string, (argument: string) => unknown>> = {
  clock: () => clock.now(),
  view: () => time.view(),
  dial,
  echo,
  look: () => jumps.look(),
  challenge: () => time.challenge(),
  statement: (text) => time.applyStatement(text),
  events: () => log.lines.map(({ event }) => event),
  writes: () => notes.writes,
};

for await (const line of createInterface({ input: process.stdin })) {
  const [number = "", name = "", ...rest] = line.split(" ");
  const answer = await ANSWERS[name]?.(rest.join(" "));
  process.stdout.write(`${number} ${JSON.stringify(answer)}\n`);
}
process.exit(0);
