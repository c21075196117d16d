/**
 * Trusted time: what has been proven of it, and what the clock is worth beside that.
 *
 * The floor is the one thing kept. It rises by the build date, an authority's signature or a statement
 * signed by the fleet, never by the clock or by NTP; nothing lowers it but a fleet statement that
 * answers a challenge of this run. It is written when it has risen by a day, at most once a day, so a
 * quiet day costs the flash nothing.
 *
 * Nothing here sets the clock, and nothing here deletes, renews or re-keys anything.
 */
import { AgentError, errorText } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock, Timer } from "../../host/clock.ts";
import type { Random } from "../../host/random.ts";
import type { TimeSync } from "../../host/time-sync.ts";
import { formatMoment } from "../span-words.ts";
import { CLOCK_SLACK_MS, judgeClock, type Vouched } from "./clock-judgement.ts";
import type { JumpWatch } from "./jump-watch.ts";
import { CHALLENGE_MS, Nonces, type TimeChallenge } from "./time-challenge.ts";
import { type ClaimOutcome, claimEndMs, claimFault, type TimeClaim } from "./time-claim.ts";
import { FLOOR_NOTE, type Floor, formatFloor, MAX_DISPROVED, readFloor } from "./time-floor.ts";
import { type FleetKey, parseStatement, type SignedStatement } from "./time-statement.ts";
import { judgeStatement, type StatementRefusal } from "./time-statement-judgement.ts";
import type { PeerTime, TimeView } from "./time-view.ts";
import { type DatePolicy, DEFAULT_DATE_POLICY, type PeerClock } from "./time-view.ts";

/** Where the floor is kept; the certificate store fills it. */
export interface TimeNotes {
  /** Of the store; 32 hexadecimal digits. */
  readonly epoch: string;
  readNote(name: string): Promise<Uint8Array | undefined>;
  writeNote(name: string, bytes: Uint8Array): Promise<void>;
}

export interface TrustedTimeOptions {
  /** Without a store the floor lives as long as the process. */
  readonly notes?: TimeNotes | undefined;
  /** The name that challenges carry; `undefined` while the device has none. */
  readonly device: () => string | undefined;
  readonly fleetKeys?: readonly FleetKey[];
  /** When the commit of this program was made, Unix ms; 0 when run from the sources. */
  readonly builtAt: number;
  /** When the last authority of bundle and chain ends, Unix ms; `undefined` without any. Asked at the start. */
  readonly plausibleUntilMs?: number | undefined;
  /** What the machine's time services say; default nothing. */
  readonly timeSync?: (() => Promise<TimeSync>) | undefined;
  readonly policy?: DatePolicy;
  readonly jumps: JumpWatch;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export type StatementOutcome =
  | { readonly kind: "accepted"; readonly floorMs: number; readonly loweredFromMs?: number }
  | { readonly kind: "refused"; readonly reason: StatementRefusal; readonly words: string };

const DAY_MS = 86_400_000;
/** Until a time service has set the clock, and afterwards. */
const ASK_MS = 60_000;
const ASK_AGAIN_MS = 900_000;
/** After a write that failed. */
const RETRY_MS = 3_600_000;
/** Authorities date certificates back: mostly by minutes, some to the beginning of the day. */
const BACKDATED_MS = DAY_MS;

/** A moment that was vouched for, by the steady time at which it was. */
interface Reference {
  readonly atMs: number;
  readonly steadyAt: number;
  /** How much later than `atMs` it may have been. */
  readonly spanMs: number;
}

/** Reads the floor, and begins to ask the machine's time services. Never rejects: a note that can't be read is said. */
export async function openTrustedTime(options: TrustedTimeOptions): Promise<TrustedTime> {
  const { notes, builtAt, plausibleUntilMs, fleetKeys = [], log } = options;
  let bytes: Uint8Array | undefined;
  let fault: string | undefined;
  try {
    bytes = await notes?.readNote(FLOOR_NOTE);
  } catch (error) {
    fault = errorText(error);
  }
  const found = readFloor(bytes, { builtAt, plausibleUntilMs, fleetKeys });
  fault ??= found.fault;
  if (fault !== undefined) {
    log.emit("time.floor.unreadable", { reason: fault, floor: formatMoment(found.floor.atMs) });
  }
  const time = new TrustedTime(options, found.floor);
  await time.askTimeService();
  return time;
}

export class TrustedTime implements PeerClock, AsyncDisposable {
  readonly #options: TrustedTimeOptions;
  readonly #nonces: Nonces;
  #floor: Floor;
  /** When the floor was proven, steady ms: it has been at least as late from then on. */
  #floorSteadyAt: number;
  /** What a restart would begin with, Unix ms. */
  #writtenMs: number;
  /** Steady ms of the last write and of the last that failed. */
  #writtenAt = Number.NEGATIVE_INFINITY;
  #failedAt: number | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** Said once, not at every look at the same CRL. */
  #refused: string | undefined;
  #fleet: Reference | undefined;
  #authority: Reference | undefined;
  #sync: TimeSync = { synchronised: false, words: "not asked yet" };
  /** Jumps forwards that nobody has vouched for, ms: by so much the clock may be ahead of the truth. */
  #unconfirmedMs = 0;
  #told: TimeView | undefined;
  #timer: Timer | undefined;
  #closed = false;
  readonly #unwatch: () => void;

  /** Use {@link openTrustedTime}. */
  constructor(options: TrustedTimeOptions, floor: Floor) {
    this.#options = options;
    this.#nonces = new Nonces(options.random);
    this.#floor = floor;
    this.#writtenMs = floor.atMs;
    this.#floorSteadyAt = options.jumps.steadyMs();
    this.#unwatch = options.jumps.onJump(({ kind, sizeMs }) => {
      // Backwards takes back what forwards had added; below nothing there is nothing to doubt.
      if (kind === "jump") this.#unconfirmedMs = Math.max(0, this.#unconfirmedMs + sizeMs);
      this.#tell();
      void this.askTimeService();
    });
  }

  view(): TimeView {
    const steadyMs = this.#options.jumps.steadyMs();
    return judgeClock({
      clockMs: this.#options.clock.now(),
      floorMs: this.#floor.atMs,
      atLeastMs: this.#floor.atMs + steadyMs - this.#floorSteadyAt,
      fleet: carriedOn(this.#fleet, steadyMs),
      authority: carriedOn(this.#authority, steadyMs),
      synchronised: this.#sync.synchronised,
    });
  }

  peerTime(): PeerTime {
    const { nowMs, clockWrong } = this.view();
    const policy = this.#options.policy ?? DEFAULT_DATE_POLICY;
    if (!clockWrong && policy.expiredGraceMs === 0) return { nowMs };
    return { nowMs, doubt: { clockMs: this.#options.clock.now(), clockWrong, policy } };
  }

  /** What proved the floor, for status. */
  get floorSource(): Floor["source"] {
    return this.#floor.source;
  }

  /** What the machine's time services said last, in words. */
  get timeService(): string {
    return this.#sync.words;
  }

  /**
   * The time by which deadlines are judged, Unix ms: as {@link view}, less what jumps have added that
   * nobody vouches for. So no jump alone makes anything due.
   */
  dueMs(): number {
    const { state, nowMs, clockWrong, floorMs } = this.view();
    if (clockWrong || state === "authenticated" || state === "network") return nowMs;
    return Math.max(floorMs, nowMs - this.#unconfirmedMs);
  }

  /** Takes what an authority's signature says about the time. @param claim Its signatures have verified. */
  claim(claim: TimeClaim): ClaimOutcome {
    const steadyMs = this.#options.jumps.steadyMs();
    const latest = carriedOn(this.#fleet, steadyMs)?.toMs;
    const fault = claimFault(claim, {
      disproved: this.#floor.disproved,
      latestMs: latest === undefined ? undefined : latest + CLOCK_SLACK_MS,
    });
    const { source, atMs, evidence, answersUs } = claim;
    if (fault !== undefined) {
      if (this.#refused !== evidence) {
        this.#options.log.emit("time.floor.refused", { source, reason: fault.words });
      }
      this.#refused = evidence;
      return { kind: "refused", ...fault };
    }
    if (answersUs) this.#authority = { atMs, steadyAt: steadyMs, spanMs: BACKDATED_MS };
    if (atMs <= this.#floor.atMs) {
      this.#tell();
      return { kind: "known" };
    }
    const { disproved } = this.#floor;
    this.#rise({ atMs, source, untilMs: claimEndMs(claim), evidence, disproved }, steadyMs);
    return { kind: "raised", floorMs: atMs };
  }

  /**
   * Draws what a time statement must answer.
   *
   * @throws AgentError `ERR_TIME_STATEMENT` when no answer could count.
   */
  challenge(): TimeChallenge {
    const { notes, device, fleetKeys = [], jumps } = this.#options;
    const name = device();
    if (fleetKeys.length === 0) {
      throw unanswerable(
        "time.fleet_keys names no key that could sign an answer",
        "put the fleet's public key under time.fleet_keys, and restart the agent",
      );
    }
    if (name === undefined) {
      throw unanswerable(
        "the device has no name yet: it has no certificate",
        "give it one with `microedge enroll` or `microedge cert import`",
      );
    }
    if (notes === undefined) {
      throw unanswerable(
        "there is no certificate store, so there is no epoch to answer for",
        "keep the certificate in a store: set store.dir",
      );
    }
    const nonce = this.#nonces.draw(jumps.steadyMs());
    return { device: name, epoch: notes.epoch, nonce, forMs: CHALLENGE_MS };
  }

  /** Takes a time statement as it travels. Never rejects; what was refused is said. */
  async applyStatement(text: string): Promise<StatementOutcome> {
    const { log } = this.#options;
    const outcome = this.#apply(text);
    if (outcome.kind === "refused") {
      log.emit("time.statement.refused", { code: outcome.reason, reason: outcome.words });
    }
    await this.#writing;
    return outcome;
  }

  /** Asks the machine's time services whether they have set the clock, and again from time to time. */
  async askTimeService(): Promise<void> {
    const { timeSync, clock } = this.#options;
    if (timeSync !== undefined) this.#sync = await timeSync();
    if (this.#closed) return;
    this.#tell();
    this.#save();
    this.#timer?.cancel();
    const delayMs = this.#sync.synchronised ? ASK_AGAIN_MS : ASK_MS;
    this.#timer = clock.setTimer(delayMs, () => void this.askTimeService());
  }

  /** Waits for a write under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#unwatch();
    await this.#writing;
  }

  #apply(text: string): StatementOutcome {
    let statement: SignedStatement;
    try {
      statement = parseStatement(text);
    } catch (error) {
      return { kind: "refused", reason: "malformed", words: errorText(error) };
    }
    const { notes, device, fleetKeys = [], builtAt, jumps, log } = this.#options;
    const steadyMs = jumps.steadyMs();
    const nonce = this.#nonces.state(statement.nonce, steadyMs);
    const fault = judgeStatement(statement, {
      device: device(),
      epoch: notes?.epoch,
      keys: fleetKeys,
      nonce,
      builtAt,
    });
    if (fault !== undefined || nonce.kind !== "open") {
      const known = fault ?? { reason: "unknown-nonce" as const, words: "the nonce is not open" };
      return { kind: "refused", ...known };
    }
    this.#nonces.use(statement.nonce);
    const { time: atMs } = statement;
    const before = this.#floor;
    // It was made at some moment since the nonce was drawn, and nobody knows at which.
    this.#fleet = { atMs, steadyAt: steadyMs, spanMs: steadyMs - nonce.drawnAt };
    this.#authority = undefined;
    const lowered = atMs < before.atMs;
    const { evidence } = before;
    const disproved =
      lowered && evidence !== undefined
        ? [...before.disproved, evidence].slice(-MAX_DISPROVED)
        : before.disproved;
    log.emit("time.statement.accepted", { time: formatMoment(atMs), key: statement.key });
    const floor: Floor = { atMs, source: "fleet", statement: text, disproved };
    if (!lowered) {
      this.#rise(floor, steadyMs);
      return { kind: "accepted", floorMs: atMs };
    }
    log.emit("time.floor.lowered", {
      from: formatMoment(before.atMs),
      to: formatMoment(atMs),
      source: before.source,
    });
    this.#set(floor, steadyMs);
    this.#write(steadyMs);
    return { kind: "accepted", floorMs: atMs, loweredFromMs: before.atMs };
  }

  #rise(floor: Floor, steadyMs: number): void {
    if (floor.atMs > this.#floor.atMs) {
      const { atMs, source } = floor;
      this.#options.log.emit("time.floor.raised", { to: formatMoment(atMs), source });
    }
    this.#set(floor, steadyMs);
    this.#save();
  }

  #set(floor: Floor, steadyMs: number): void {
    this.#floor = floor;
    this.#floorSteadyAt = steadyMs;
    this.#tell();
  }

  /** Writes what a restart would forget: at once when it was lowered, else a day of it, once a day. */
  #save(): void {
    const steadyMs = this.#options.jumps.steadyMs();
    if (this.#failedAt !== undefined && steadyMs - this.#failedAt < RETRY_MS) return;
    const risenMs = this.#floor.atMs - this.#writtenMs;
    if (risenMs >= 0 && (risenMs < DAY_MS || steadyMs - this.#writtenAt < DAY_MS)) return;
    this.#write(steadyMs);
  }

  #write(steadyMs: number): void {
    const { notes, log } = this.#options;
    const floor = this.#floor;
    const before = this.#writtenMs;
    this.#writtenMs = floor.atMs;
    if (notes === undefined) return;
    const write = async (): Promise<void> => {
      try {
        await notes.writeNote(FLOOR_NOTE, formatFloor(floor));
        this.#writtenAt = steadyMs;
        this.#failedAt = undefined;
      } catch (error) {
        if (this.#failedAt === undefined) {
          log.emit("time.floor.unwritten", { reason: errorText(error) });
        }
        this.#writtenMs = before;
        this.#failedAt = steadyMs;
      }
    };
    this.#writing = this.#writing.then(write);
  }

  /** Says a change of state, once. */
  #tell(): void {
    const view = this.view();
    const before = this.#told;
    this.#told = view;
    const { log, clock } = this.#options;
    if (view.state === "network" || view.state === "authenticated") {
      if (!view.clockWrong) this.#unconfirmedMs = 0;
    }
    if (view.state !== before?.state) {
      const { state, floorMs, words } = view;
      log.emit("time.known", {
        state,
        floor: formatMoment(floorMs),
        source: this.#floor.source,
        reason: words,
      });
    }
    if (view.clockWrong === (before?.clockWrong ?? false)) return;
    const fields = { clock: formatMoment(clock.now()), now: formatMoment(view.nowMs) };
    if (view.clockWrong) log.emit("time.clock.wrong", { ...fields, reason: view.words });
    else log.emit("time.clock.right", fields);
  }
}

function unanswerable(why: string, fix: string): AgentError {
  return new AgentError("ERR_TIME_STATEMENT", `no time statement can be asked for: ${why}`, {
    fields: { fix },
  });
}

function carriedOn(reference: Reference | undefined, steadyMs: number): Vouched | undefined {
  if (reference === undefined) return undefined;
  const fromMs = reference.atMs + steadyMs - reference.steadyAt;
  return { fromMs, toMs: fromMs + reference.spanMs };
}
