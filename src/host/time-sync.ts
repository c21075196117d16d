/**
 * Whether a time service of this machine has set the clock. The kernel's own word (adjtimex(2)) can't be
 * reached from Node, so the services are asked, without starting a program:
 *
 * - systemd-timesyncd makes `/run/systemd/timesync/synchronized` when it has set the clock, and the
 *   directory is empty after a boot (systemd-time-wait-sync.service(8));
 * - chronyd answers the question "tracking" on UDP port 323 of the loopback address (its protocol for
 *   chronyc, version 6), with a leap status and a stratum;
 * - ntpd and NTPsec answer SNTP on UDP port 123 of the loopback address (RFC 5905, figure 8).
 *
 * Only root can answer on these ports. All the same it is the machine's word and not a proof: it makes
 * the time `network`, and never raises the floor.
 */
import { createSocket } from "node:dgram";
import { stat } from "node:fs/promises";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

export interface TimeSync {
  /** A time service has set the clock since the boot, and says so. */
  readonly synchronised: boolean;
  /** Which, or why not, for a person. */
  readonly words: string;
}

export interface TimeSyncOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Below: only tests change these. */
  readonly timesyncFile?: string;
  readonly address?: string;
  readonly chronyPort?: number;
  readonly ntpPort?: number;
  /** How long a service may take to answer, milliseconds; loopback answers in less than one. */
  readonly timeoutMs?: number;
}

const TIMESYNC_FILE = "/run/systemd/timesync/synchronized";
const CHRONY_PORT = 323;
const NTP_PORT = 123;
const TIMEOUT_MS = 300;
/** What both protocols say of a clock that was never set. */
const LEAP_UNSYNCHRONISED = 3;
/** "Local": a server that passes on its own clock although nobody has set it (chrony.conf(5), `local`). */
const OWN_CLOCK = 0x7f7f0101;
/** From 16 on a server is not synchronised (RFC 5905, figure 11). */
const MAX_STRATUM = 15;

/** Asks all services at once. Never rejects: what can't be asked has not set the clock. */
export async function readTimeSync(options: TimeSyncOptions): Promise<TimeSync> {
  const [timesyncd, chrony, ntp] = await Promise.all([
    isThere(options.timesyncFile ?? TIMESYNC_FILE),
    ask(options, options.chronyPort ?? CHRONY_PORT, chronyRequest(options.random), readTracking),
    ask(options, options.ntpPort ?? NTP_PORT, ntpRequest(options.random), readNtp),
  ]);
  if (timesyncd) return { synchronised: true, words: "set by systemd-timesyncd" };
  if (chrony === true) return { synchronised: true, words: "set by chronyd" };
  if (ntp === true) return { synchronised: true, words: "set by the NTP server of this machine" };
  const running = [
    ...(chrony === false ? ["chronyd"] : []),
    ...(ntp === false ? ["the NTP server of this machine"] : []),
  ].join(" and ");
  if (running !== "")
    return { synchronised: false, words: `${running} runs and has not set it yet` };
  return { synchronised: false, words: "no time service says that it has set it" };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    // Absent, or the service is not there at all: either way nobody says that the clock was set.
    return false;
  }
}

/** What a service says: `undefined` when it is not there, or what it sends is no answer. */
type Answer = boolean | undefined;

function ask(
  { clock, address = "127.0.0.1", timeoutMs = TIMEOUT_MS }: TimeSyncOptions,
  port: number,
  request: Uint8Array,
  read: (answer: DataView, request: DataView) => Answer,
): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const end = (answer: Answer): void => {
      timer.cancel();
      socket.close();
      resolve(answer);
    };
    const timer = clock.setTimer(timeoutMs, () => end(undefined));
    // A closed port answers with an ICMP message, which a connected socket shows as an error.
    socket.once("error", () => end(undefined));
    socket.on("message", (message) => {
      const answer = read(viewOf(message), viewOf(request));
      if (answer !== undefined) end(answer);
    });
    socket.connect(port, address, () => socket.send(request));
    // A question must not keep the process alive.
    socket.unref();
  });
}

const CHRONY_VERSION = 6;
const REQUEST_TRACKING = 33;
const REPLY_TRACKING = 5;
/** Header of 28 bytes and the tracking report of 76; a request is padded to the length of its answer. */
const TRACKING_BYTES = 104;
const SEQUENCE_AT = { request: 8, reply: 16 };

function chronyRequest(random: Random): Uint8Array {
  const bytes = new Uint8Array(TRACKING_BYTES);
  const view = viewOf(bytes);
  view.setUint8(0, CHRONY_VERSION);
  view.setUint8(1, 1);
  view.setUint16(4, REQUEST_TRACKING);
  bytes.set(random.bytes(4), SEQUENCE_AT.request);
  return bytes;
}

function readTracking(answer: DataView, request: DataView): Answer {
  if (answer.byteLength < TRACKING_BYTES) return undefined;
  const sequence = request.getUint32(SEQUENCE_AT.request);
  if (answer.getUint32(SEQUENCE_AT.reply) !== sequence) return undefined;
  const wanted = [CHRONY_VERSION, 2, REPLY_TRACKING, 0];
  const got = [
    answer.getUint8(0),
    answer.getUint8(1),
    answer.getUint16(6),
    answer.getUint16(8),
  ] as const;
  if (got.some((value, at) => value !== wanted[at])) return undefined;
  return isSet(answer.getUint16(54), answer.getUint16(52), answer.getUint32(28));
}

const NTP_BYTES = 48;
/** Version 4, mode 3 (client); an answer has mode 4 (server). */
const NTP_CLIENT = 0x23;
const NTP_SERVER_MODE = 4;
const ORIGIN_AT = 24;
const TRANSMIT_AT = 40;

function ntpRequest(random: Random): Uint8Array {
  const bytes = new Uint8Array(NTP_BYTES);
  bytes[0] = NTP_CLIENT;
  // Instead of our time, which nobody needs to know: the answer repeats it.
  bytes.set(random.bytes(8), TRANSMIT_AT);
  return bytes;
}

function readNtp(answer: DataView, request: DataView): Answer {
  if (answer.byteLength < NTP_BYTES) return undefined;
  if (answer.getBigUint64(ORIGIN_AT) !== request.getBigUint64(TRANSMIT_AT)) return undefined;
  const first = answer.getUint8(0);
  if ((first & 7) !== NTP_SERVER_MODE) return undefined;
  return isSet(first >> 6, answer.getUint8(1), answer.getUint32(12));
}

function isSet(leap: number, stratum: number, reference: number): boolean {
  if (leap === LEAP_UNSYNCHRONISED || reference === OWN_CLOCK) return false;
  return stratum >= 1 && stratum <= MAX_STRATUM;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
