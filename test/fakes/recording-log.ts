/** A logger that keeps what it is told, with the level and sentence of the event table. */
import {
  EVENTS,
  type LogEvent,
  type LogFields,
  type Logger,
  type LogLevel,
} from "#src/base/log.ts";

export interface LogLine {
  readonly event: LogEvent;
  readonly fields: LogFields;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export class RecordingLog implements Logger {
  readonly lines: LogLine[];
  readonly #base: LogFields;
  readonly #level: LogLevel;

  constructor(level: LogLevel = "debug", base: LogFields = {}, lines: LogLine[] = []) {
    this.#level = level;
    this.#base = base;
    this.lines = lines;
  }

  emit(event: LogEvent, fields: LogFields = {}): void {
    if (!this.enabled(EVENTS[event].level)) return;
    this.lines.push({ event, fields: { ...this.#base, ...fields } });
  }

  enabled(level: LogLevel): boolean {
    return LEVELS.indexOf(level) >= LEVELS.indexOf(this.#level);
  }

  with(fields: LogFields): Logger {
    return new RecordingLog(this.#level, { ...this.#base, ...fields }, this.lines);
  }

  of(event: LogEvent): readonly LogFields[] {
    return this.lines.filter((line) => line.event === event).map((line) => line.fields);
  }
}
