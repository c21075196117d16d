/**
 * Looks at our own memory now and then, tells the water marks, and acts on what they say: closes idle
 * connections, gives garbage back. Says each change of level once.
 */
import type { Logger } from "../base/log.ts";
import type { MemoryPressure, MemoryView } from "../guard/memory-marks.ts";
import type { Clock, Timer } from "../host/clock.ts";
import type { ProcessFigures } from "../host/process-figures.ts";

export interface MemoryWatchParts {
  readonly pressure: MemoryPressure;
  /** Bytes; for the log and for status. */
  readonly limitBytes: number | undefined;
  readonly figures: Pick<ProcessFigures, "anonymousBytes" | "majorFaults" | "collectGarbage">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Closes up to `count` idle connections, longest idle first; returns how many it were. */
  closeIdle(count: number): number;
  /** Established connections. */
  open(): number;
}

const MIB = 1024 * 1024;
/** Far from the marks a look a second is enough; near them memory can grow by 10 MiB in that time. */
const FAR_MS = 1_000;
const NEAR_MS = 200;
const NEAR_BYTES = 8 * MIB;
/** What a closed connection held comes back late or, in small pieces, never: few, then look again. */
const CLOSED_AT_ONCE = 8;
const CLOSE_AGAIN_MS = 2_000;
/** A full collection stops everything for a tenth of a second: seldom, and only above a mark. */
const COLLECT_AGAIN_MS = 30_000;
/** Above this the working set of the program is being squeezed out; at rest it is zero. */
const MANY_FAULTS_PER_SECOND = 50;
const TELL_FAULTS_AGAIN_MS = 60_000;
const FAULTS_OVER_MS = 1_000;
/** Less work means fewer faults; what was given up is taken up again slowly. */
const THRASHING_LASTS_MS = 3_000;

export class MemoryWatch implements Disposable {
  /** Connections that were closed for want of memory. */
  closed = 0;
  readonly #parts: MemoryWatchParts;
  #timer: Timer | undefined;
  #anon = 0;
  #collectedAt = Number.NEGATIVE_INFINITY;
  #closedAt = Number.NEGATIVE_INFINITY;
  #faultsAt: number;
  #faults: number;
  #faultsPerSecond = 0;
  #faultsToldAt = Number.NEGATIVE_INFINITY;
  #thrashedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: MemoryWatchParts) {
    this.#parts = parts;
    this.#faultsAt = parts.clock.monotonicMs();
    this.#faults = parts.figures.majorFaults();
  }

  /** Begins to watch; does nothing where the machine does not tell. */
  start(): void {
    this.#look();
  }

  view(): MemoryView {
    const { figures, limitBytes, pressure } = this.#parts;
    return {
      anon: figures.anonymousBytes() ?? 0,
      limit: limitBytes,
      level: pressure.level,
      majorFaults: figures.majorFaults(),
      majorFaultsPerSecond: Math.round(this.#faultsPerSecond),
      shedCalls: pressure.shed,
      closedConnections: this.closed,
    };
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const { pressure, figures, clock } = this.#parts;
    const anon = figures.anonymousBytes();
    if (anon === undefined) return;
    this.#anon = anon;
    this.#countFaults();
    const thrashing = clock.monotonicMs() - this.#thrashedAt < THRASHING_LASTS_MS;
    if (pressure.measured(anon, thrashing)) this.#tell();
    if (pressure.level !== "calm") this.#collect();
    this.#closeIdle();
    const near = pressure.marks !== undefined && anon > pressure.marks.refuse - NEAR_BYTES;
    this.#timer = clock.setTimer(near ? NEAR_MS : FAR_MS, () => this.#look());
  }

  #closeIdle(): void {
    const { pressure, clock, closeIdle, open } = this.#parts;
    const surplus = pressure.surplus(open(), CLOSED_AT_ONCE);
    if (surplus === 0 || clock.monotonicMs() - this.#closedAt < CLOSE_AGAIN_MS) return;
    this.#closedAt = clock.monotonicMs();
    this.closed += closeIdle(surplus);
  }

  #collect(): void {
    const { clock, figures } = this.#parts;
    const now = clock.monotonicMs();
    if (now - this.#collectedAt < COLLECT_AGAIN_MS) return;
    this.#collectedAt = now;
    figures.collectGarbage();
  }

  #tell(): void {
    const { pressure, log, limitBytes, open } = this.#parts;
    const fields = { anon_bytes: this.#anon, limit_bytes: limitBytes, connections: open() };
    if (pressure.level === "calm") log.emit("memory.calm", fields);
    else log.emit("memory.short", { ...fields, pressure: pressure.level });
  }

  #countFaults(): void {
    const { clock, figures, log, limitBytes, pressure } = this.#parts;
    const now = clock.monotonicMs();
    const span = now - this.#faultsAt;
    if (span < FAULTS_OVER_MS) return;
    const faults = figures.majorFaults();
    this.#faultsPerSecond = ((faults - this.#faults) * 1000) / span;
    this.#faults = faults;
    this.#faultsAt = now;
    if (this.#faultsPerSecond < MANY_FAULTS_PER_SECOND) return;
    // A cold program reads its pages for the first time, too; that is no want of memory.
    if (pressure.marks === undefined || this.#anon < pressure.marks.refuse - NEAR_BYTES) return;
    this.#thrashedAt = now;
    if (now - this.#faultsToldAt < TELL_FAULTS_AGAIN_MS) return;
    this.#faultsToldAt = now;
    log.emit("memory.thrashing", {
      faults_per_second: Math.round(this.#faultsPerSecond),
      anon_bytes: this.#anon,
      limit_bytes: limitBytes,
    });
  }
}
