/**
 * The logger of the running agent: one line per event to a sink, filtered by level, repeats collapsed,
 * values made safe. A logger never throws: what can't be written is not worth a call.
 */
import { EVENTS, type LogEvent, type LogFields, type Logger, type LogLevel } from "../base/log.ts";
import type { Clock, Timer } from "./clock.ts";
import type { LineFormat } from "./log-format.ts";
import { LogThrottle } from "./log-throttle.ts";

export interface LineSink {
  /** Takes whole lines with their ends. */
  write(text: string): void;
}

export interface LineLogOptions {
  readonly sink: LineSink;
  readonly format: LineFormat;
  readonly clock: Clock;
  readonly level: LogLevel;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Whoever starts the agent waits for this line; no level and no flood may keep it back. */
const ALWAYS: ReadonlySet<LogEvent> = new Set(["agent.ready"]);

// A quiet day is under 50 lines; one event that storms all day stays under 9,000.
const BURST = 50;
const REFILL_MS = 10_000;
/** What was left out is said at the latest after this. */
const REPORT_AFTER_MS = 60_000;

export class LineLog {
  readonly log: Logger;
  readonly #options: LineLogOptions;
  readonly #counts = new Map<LogEvent, number>();
  readonly #throttle = new LogThrottle({ burst: BURST, refillMs: REFILL_MS });
  #level: LogLevel;
  #report: Timer | undefined;

  constructor(options: LineLogOptions) {
    this.#options = options;
    this.#level = options.level;
    this.log = this.#loggerWith({});
  }

  /** Warnings and errors since the start, by event, also those that were held back. */
  get counts(): ReadonlyMap<LogEvent, number> {
    return this.#counts;
  }

  setLevel(level: LogLevel): void {
    this.#level = level;
  }

  /** Says what was left out, so that nothing is lost without a trace when the agent ends. */
  close(): void {
    this.#report?.cancel();
    this.#report = undefined;
    for (const event of this.#throttle.suppressedEvents()) this.#reportSuppressed(event);
  }

  #loggerWith(carried: LogFields): Logger {
    return {
      emit: (event, fields) => this.#emit(event, carried, fields),
      enabled: (level) => RANK[level] >= RANK[this.#level],
      with: (more) => this.#loggerWith({ ...carried, ...more }),
    };
  }

  #emit(event: LogEvent, carried: LogFields, fields: LogFields | undefined): void {
    const { level } = EVENTS[event];
    if (RANK[level] >= RANK.warn) this.#counts.set(event, (this.#counts.get(event) ?? 0) + 1);
    if (!ALWAYS.has(event)) {
      if (RANK[level] < RANK[this.#level]) return;
      // debug is asked for by name and wants to see every call
      const free = level === "debug";
      if (!free && !this.#throttle.admit(event, this.#options.clock.monotonicMs())) {
        this.#report ??= this.#options.clock.setTimer(REPORT_AFTER_MS, () => this.close());
        return;
      }
      if (!free) this.#reportSuppressed(event);
    }
    this.#write(event, { ...carried, ...fields });
  }

  #reportSuppressed(event: string): void {
    const count = this.#throttle.takeSuppressed(event);
    if (count > 0) this.#write("log.suppressed", { suppressed_event: event, count });
  }

  #write(event: LogEvent, fields: LogFields): void {
    const { level, msg } = EVENTS[event];
    const timeMs = this.#options.clock.now();
    this.#options.sink.write(`${this.#options.format({ timeMs, level, event, msg, fields })}\n`);
  }
}
