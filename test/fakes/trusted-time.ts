/** Trusted time over a fake clock, with a store of notes in memory and a fleet that signs. */
import { createHash } from "node:crypto";
import type { FleetSigningKey } from "#src/identity/fleet-signing-key.ts";
import { JumpWatch } from "#src/identity/time/jump-watch.ts";
import type { TimeChallenge } from "#src/identity/time/time-challenge.ts";
import type { TimeClaim } from "#src/identity/time/time-claim.ts";
import {
  type FleetKey,
  formatStatement,
  signStatement,
  type TimeStatement,
} from "#src/identity/time/time-statement.ts";
import {
  openTrustedTime,
  type TimeNotes,
  type TrustedTime,
  type TrustedTimeOptions,
} from "#src/identity/time/trusted-time.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeRandom } from "./fake-random.ts";
import { fleetKey } from "./fleet-key.ts";
import { RecordingLog } from "./recording-log.ts";

export const EPOCH = "0123456789abcdef0123456789abcdef";
export const DEVICE = "spiffe://fleet.test/device/roof-7";

/** A fleet that signs; the public part of its key is configured. */
export class Fleet {
  readonly key: FleetKey;
  /** As it stands in the configuration. */
  readonly text: string;
  readonly #signer: FleetSigningKey;

  constructor(seed = 7) {
    this.#signer = fleetKey(seed);
    this.key = this.#signer.key;
    this.text = this.#signer.text;
  }

  /** A statement as it travels; `signed` differs from it only when a test cheats. */
  sign(statement: TimeStatement, signed: TimeStatement = statement): string {
    return formatStatement({ ...signStatement(signed, this.#signer), ...statement });
  }

  answer({ device, epoch, nonce }: TimeChallenge, time: number): string {
    return this.sign({ device, epoch, nonce, time });
  }
}

/** Notes in memory that count, and fail when told to. */
export class MemoryNotes implements TimeNotes {
  readonly epoch = EPOCH;
  readonly notes = new Map<string, Uint8Array>();
  writes = 0;
  fault: string | undefined;

  async readNote(name: string): Promise<Uint8Array | undefined> {
    return this.notes.get(name);
  }

  async writeNote(name: string, bytes: Uint8Array): Promise<void> {
    if (this.fault !== undefined) throw new Error(this.fault);
    this.writes += 1;
    this.notes.set(name, bytes);
  }
}

export interface TimeRig {
  readonly time: TrustedTime;
  readonly jumps: JumpWatch;
  readonly clock: FakeClock;
  readonly notes: MemoryNotes;
  readonly fleet: Fleet;
  readonly log: RecordingLog;
}

export async function timeRig(
  changes: Partial<TrustedTimeOptions> & {
    readonly clock?: FakeClock;
    readonly notes?: MemoryNotes;
    readonly bootTimeMs?: () => number | undefined;
  } = {},
): Promise<TimeRig> {
  const clock = changes.clock ?? new FakeClock();
  const notes = changes.notes ?? new MemoryNotes();
  const log = new RecordingLog();
  const fleet = new Fleet();
  const jumps = new JumpWatch({ clock, log, bootTimeMs: changes.bootTimeMs });
  const time = await openTrustedTime({
    device: () => DEVICE,
    fleetKeys: [fleet.key],
    builtAt: Date.UTC(2026, 0, 1),
    jumps,
    random: new FakeRandom(3),
    ...changes,
    clock,
    notes,
    log,
  });
  return { time, jumps, clock, notes, fleet, log };
}

/** A CRL's word, good unless told otherwise. */
export function crlClaim(atMs: number, changes: Partial<TimeClaim> = {}): TimeClaim {
  return {
    source: "crl",
    atMs,
    issuers: [{ subject: "CN=Test CA", notAfter: Date.UTC(2036, 0, 1) }],
    answersUs: false,
    evidence: createHash("sha256").update(`crl ${atMs}`).digest("hex"),
    ...changes,
  };
}
