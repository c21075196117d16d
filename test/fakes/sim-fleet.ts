/**
 * A fleet whose authority is away for a day and comes back: when do its devices ask? Each is a whole device of
 * the simulation, with a store and a queue of its own, on a disk that keeps no account of what is durable.
 */
import { createHash } from "node:crypto";
import type { Random } from "#src/host/random.ts";
import { HeapClock } from "./heap-clock.ts";
import { PowerDisk } from "./power-disk.ts";
import { SimDevice } from "./sim-device.ts";
import { SimAuthority } from "./sim-world.ts";
import { TrustSigner } from "./trust-signer.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const LIFETIME_MS = 24 * HOUR_MS;
/** Certificates were made evenly in so long a time before the outage, so that none is due when it begins. */
const ENROLMENT_MS = 0.6 * LIFETIME_MS;
/** Thirty-two blocks; a day of failures is a few compactions. */
const QUEUE_BYTES = 32 * 4096;

export interface FleetReport {
  /** Requests by minute from the beginning of the outage on, of which nothing comes while it lasts. */
  readonly perMinute: readonly number[];
  /** Of the return, minutes from the beginning. */
  readonly returnMinute: number;
  readonly waiting: number;
  /** Made from the return on. */
  readonly certificates: number;
  /** Until the last request of all, minutes. */
  readonly recoveryMinutes: number;
  /** In the recovery window, over {@link BIN_MINUTES} minutes. */
  readonly peakPerMinute: number;
  readonly averagePerMinute: number;
}

/** A load is felt over minutes, not over a single one. */
export const BIN_MINUTES = 2;

/** @param devices With certificates of 24 hours. */
export async function fleetReturns(
  devices: number,
  outageMs: number,
  seed: number,
): Promise<FleetReport> {
  const clock = new HeapClock(Date.UTC(2026, 5, 1));
  const startMs = clock.now() + ENROLMENT_MS;
  const returnAt = startMs + outageMs;
  const authority = new SimAuthority(clock, LIFETIME_MS, 1);
  const signer = new TrustSigner();
  const [update = ""] = signer.chain([authority.rootPem, authority.rootPem]);
  const isUp = (): boolean => authority.weather === "up";
  const perMinute = new Array<number>(Math.ceil(outageMs / MINUTE_MS) + 120).fill(0);
  let [waiting, before, lastMs] = [0, 0, 0];
  authority.onAttempt = () => {
    const minute = Math.floor((clock.now() - startMs) / MINUTE_MS);
    perMinute[minute] = (perMinute[minute] ?? 0) + 1;
    lastMs = clock.now();
  };
  const fleet = Array.from({ length: devices }, (_, number) => {
    const random = new SeededRandom(`${seed} ${number}`);
    const device = new SimDevice({
      ...{ truth: clock, authority, signer, seed: seed * 1_000_003 + number, random },
      ...{ disk: new PowerDisk(["/state"], true), queueBytes: QUEUE_BYTES, online: isUp },
      fetchUpdates: async () => {
        if (isUp()) return update;
        throw new Error("no route to host");
      },
    });
    clock.setTimer(random.draw() * ENROLMENT_MS, () => void device.boot(false));
    return device;
  });
  clock.setTimer(ENROLMENT_MS, () => {
    authority.weather = "unreachable";
  });
  clock.setTimer(ENROLMENT_MS + outageMs, () => {
    waiting = fleet.filter(({ dueAt = returnAt }) => dueAt < returnAt).length;
    before = authority.certificates;
    authority.weather = "up";
  });
  // Longer than any pause: who comes a second time is seen.
  await clock.run(() => clock.now() > returnAt + 90 * MINUTE_MS);
  if (fleet.some(({ notAfter }) => notAfter <= clock.now())) {
    throw new Error("a device has not come back");
  }
  const certificates = authority.certificates - before;
  const returnMinute = Math.floor(outageMs / MINUTE_MS);
  const recoveryMinutes = Math.max(BIN_MINUTES, Math.ceil((lastMs - returnAt) / MINUTE_MS));
  const recovery = perMinute.slice(returnMinute, returnMinute + recoveryMinutes);
  const bins = recovery
    .map((_, at) => recovery.slice(at, at + BIN_MINUTES))
    .filter((bin) => bin.length === BIN_MINUTES)
    .map((bin) => bin.reduce((sum, each) => sum + each, 0) / BIN_MINUTES);
  const total = recovery.reduce((sum, each) => sum + each, 0);
  return {
    ...{ perMinute, returnMinute, waiting, certificates, recoveryMinutes },
    peakPerMinute: Math.max(...bins),
    averagePerMinute: total / recoveryMinutes,
  };
}

/** A stream of its own for each device: those of a linear generator move in step. */
class SeededRandom implements Random {
  readonly #name: string;
  #count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  draw(): number {
    return Buffer.from(this.bytes(6)).readUIntBE(0, 6) / 2 ** 48;
  }

  bytes(length: number): Uint8Array {
    const hash = createHash("shake256", { outputLength: length });
    return hash.update(`${this.#name} ${this.#count++}`).digest();
  }
}
