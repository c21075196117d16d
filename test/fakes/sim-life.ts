/**
 * Hundreds of days of one device, drawn from a seed: outages at random and at the worst moment, power cuts,
 * lost clocks, roots that change while it is away. What must hold is checked all the time.
 */
import { FakeClock } from "./fake-clock.ts";
import { FakeRandom } from "./fake-random.ts";
import { SimDevice } from "./sim-device.ts";
import { DAY_MS, SimAuthority, type Weather } from "./sim-world.ts";
import { TrustSigner } from "./trust-signer.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export interface LifeOptions {
  readonly seed: number;
  readonly lifetimeMs: number;
  readonly days: number;
  /** A device that never renews, to see the checks fail. */
  readonly idle?: boolean;
}

export interface LifeReport {
  readonly renewals: number;
  /** Times that a certificate ended before it was renewed. */
  readonly expiries: number;
  readonly outageDays: number;
  readonly powerCuts: number;
  readonly attemptsPerDay: number;
  readonly mostAttemptsInADay: number;
  readonly bytesPerDay: number;
  readonly mostBytesInADay: number;
  /** From the return of the authority to a good certificate, the longest, ms. */
  readonly slowestRecoveryMs: number;
  readonly violations: readonly string[];
}

const BAD_WEATHER: readonly Weather[] = ["unreachable", "busy", "hang", "captive-portal"];

/** How often and how long, for lives of hours and for lives of months. */
interface Climate {
  readonly betweenMs: number;
  readonly lengthsMs: readonly number[];
  readonly cutsBetweenMs: number;
  readonly stepMs: number;
  readonly toleranceMs: number;
}

function climateOf(lifetimeMs: number): Climate {
  if (lifetimeMs < DAY_MS) {
    return {
      betweenMs: 10 * HOUR_MS,
      lengthsMs: [5, 10, 15, 30, 90, 600, 2880].map((minutes) => minutes * MINUTE_MS),
      ...{ cutsBetweenMs: 9 * HOUR_MS, stepMs: MINUTE_MS, toleranceMs: 10 * MINUTE_MS },
    };
  }
  return {
    betweenMs: 30 * DAY_MS,
    lengthsMs: [0.02, 0.05, 0.2, 0.5, 1, 2, 4, 8, 20, 60].map((days) => days * DAY_MS),
    ...{ cutsBetweenMs: 7 * DAY_MS, stepMs: 15 * MINUTE_MS, toleranceMs: 30 * MINUTE_MS },
  };
}

/** Lives the life; rejects only for a bug of the simulation. */
export async function live({
  seed,
  lifetimeMs,
  days,
  idle = false,
}: LifeOptions): Promise<LifeReport> {
  const random = new FakeRandom(seed * 104_729 + 1);
  for (let warm = 0; warm < 8; warm++) random.draw();
  const climate = climateOf(lifetimeMs);
  const truth = new FakeClock(Date.UTC(2026, 5, 1));
  const startMs = truth.now();
  const endMs = startMs + days * DAY_MS;
  const authority = new SimAuthority(truth, lifetimeMs, 3);
  const signer = new TrustSigner();
  const [first = "", ...others] = authority.roots.map(({ certificatePem }) => certificatePem);
  // A fleet that signs has signed what it begins with.
  const chain = signer.chain([first, first, ...others]);
  let published = 1;
  let outageEnds = 0;
  const isUp = (): boolean => authority.weather === "up";
  const device = new SimDevice({
    ...{ truth, authority, signer, seed, idle },
    online: () => authority.weather !== "unreachable",
    fetchUpdates: async () => {
      const { weather } = authority;
      if (weather === "captive-portal") return "<html>please log in</html>";
      if (weather === "unreachable") throw new Error("no route to host");
      return chain.slice(0, published).join("\n");
    },
  });
  const after = (meanMs: number): number => -Math.log(1 - random.draw()) * meanMs;
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.draw() * from.length)] as T;
  const violations: string[] = [];
  const at = (): string => `day ${((truth.now() - startMs) / DAY_MS).toFixed(2)}`;
  let nextOutageAt = startMs + after(climate.betweenMs);
  let nextCutAt = startMs + after(climate.cutsBetweenMs);
  let ambushAt = startMs;
  let bootAt = startMs;
  let availableSince: number | undefined;
  let [expiries, powerCuts, outageMs, slowestRecoveryMs] = [0, 0, 0, 0];
  let counted = 0;
  let lastVisitAt = 0;
  let broken = 0;
  /** Bytes at the beginning of each day. */
  const bytesBy: number[] = [];
  const begin = (weather: Weather, lengthMs: number): void => {
    authority.weather = weather;
    outageEnds = truth.now() + lengthMs;
  };
  authority.onAttempt = () => {
    // Bad luck: just as it is asked, the line breaks with the answer on it, and stays broken.
    const now = truth.now();
    if (!isUp() || now < ambushAt) return;
    ambushAt = now + after(2 * climate.betweenMs);
    begin("lost-answer", pick(climate.lengthsMs));
  };
  // Away for two changes of roots, in a life that is long enough for it.
  const away = { from: startMs + days * 0.3 * DAY_MS, lengthMs: Math.min(60, days * 0.1) * DAY_MS };
  const changes = [0.4, 0.6].map((share) => away.from + share * away.lengthMs);

  while (truth.now() < endMs) {
    const now = truth.now();
    bytesBy[Math.floor((now - startMs) / DAY_MS)] ??= device.bytesWritten;
    if (outageEnds !== 0 && now >= outageEnds) {
      authority.weather = "up";
      outageEnds = 0;
    }
    if (authority.weather === "lost-answer") authority.weather = "unreachable";
    if (now >= away.from && now - climate.stepMs < away.from) begin("unreachable", away.lengthMs);
    else if (now >= nextOutageAt) {
      if (outageEnds === 0) begin(pick(BAD_WEATHER), pick(climate.lengthsMs));
      nextOutageAt = now + after(climate.betweenMs);
    }
    for (const [index, change] of changes.entries()) {
      if (now < change || authority.root > index) continue;
      authority.root = index + 1;
      published = index + 2;
    }
    if (device.isOn && device.disk.isOff) nextCutAt = now;
    if (device.isOn && now >= nextCutAt) {
      const surprise = !device.disk.isOff && random.draw() < 0.5;
      if (surprise) device.cutPower(0, 1 + Math.floor(random.draw() * 40));
      if (!surprise) {
        device.cutPower(Math.floor(random.draw() * 100));
        powerCuts += 1;
        bootAt = now + (random.draw() < 0.1 ? pick(climate.lengthsMs) : 2 * MINUTE_MS);
      }
      nextCutAt = now + after(climate.cutsBetweenMs);
    }
    if (!device.isOn && now >= bootAt) {
      await device.boot(random.draw() < 0.7 && now > startMs);
      lastVisitAt = 0;
    }
    if (device.isOn && now - lastVisitAt >= 15 * MINUTE_MS) {
      lastVisitAt = now;
      await device.synchronise();
    }
    const available = device.isOn && isUp() && !device.disk.isOff;
    if (!available) availableSince = undefined;
    else availableSince ??= now;
    if (!isUp()) outageMs += climate.stepMs;
    check();
    await truth.advance(climate.stepMs);
  }

  function check(): void {
    const { notAfter } = device;
    const now = truth.now();
    if (!device.isOn || notAfter === 0) return;
    if (notAfter > now) {
      if (broken !== 0 && availableSince !== undefined) {
        slowestRecoveryMs = Math.max(slowestRecoveryMs, now - Math.max(availableSince, broken));
      }
      broken = 0;
      return;
    }
    if (broken === 0 && notAfter !== counted) {
      expiries += 1;
      counted = notAfter;
      broken = notAfter;
      const hadMs = availableSince === undefined ? 0 : notAfter - availableSince;
      if (hadMs > climate.toleranceMs) {
        violations.push(`${at()}: ended after ${hadMs / MINUTE_MS} minutes with an authority`);
      }
    }
    if (availableSince !== undefined && now - availableSince > HOUR_MS + climate.stepMs) {
      const words = `${at()}: still ended an hour after the authority came back`;
      if (violations.at(-1)?.startsWith(at().slice(0, -1)) !== true) violations.push(words);
    }
  }

  for (const [intent, keys] of authority.keys) {
    if (keys.size > 1) violations.push(`${intent}: ${keys.size} keys for one intent`);
  }
  const attempts = [...authority.attempts.values()];
  const bytes = [...bytesBy.slice(1), device.bytesWritten].map(
    (after, day) => after - (bytesBy[day] ?? 0),
  );
  const total = attempts.reduce((sum, each) => sum + each, 0);
  return {
    renewals: authority.certificates - 1,
    expiries,
    outageDays: outageMs / DAY_MS,
    powerCuts,
    attemptsPerDay: total / days,
    mostAttemptsInADay: Math.max(0, ...attempts),
    bytesPerDay: device.bytesWritten / days,
    mostBytesInADay: Math.max(...bytes),
    slowestRecoveryMs,
    violations,
  };
}
