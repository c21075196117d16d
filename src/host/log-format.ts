/**
 * How one log record is written: a JSON object for the journal, a readable line for a terminal.
 */
import type { LogEvent, LogFields, LogLevel, LogRow, LogValue } from "../base/log.ts";
import { escapeUnprintable, safeValue } from "./log-value.ts";

export interface LogRecord {
  /** Unix milliseconds. */
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly event: LogEvent;
  readonly msg: string;
  readonly fields: LogFields;
}

/** One line without its end. */
export type LineFormat = (record: LogRecord) => string;

/** The frame of every record; a field can't take one of these names. */
const FRAME = new Set(["time", "level", "event", "msg"]);

function* safeFields(fields: LogFields): Generator<readonly [string, LogValue]> {
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && !FRAME.has(name)) yield [name, safeValue(value)];
  }
}

/** `{"time":"2026-06-01T12:00:00.000Z","level":"info","event":"agent.ready","msg":"…",…}` */
export const formatJson: LineFormat = (record) =>
  escapeUnprintable(
    JSON.stringify({
      time: isoTime(record.timeMs),
      level: record.level,
      event: record.event,
      msg: record.msg,
      ...Object.fromEntries(safeFields(record.fields)),
    }),
  );

const COLOURS: Readonly<Record<LogLevel, string>> = {
  debug: "\u001b[2m",
  info: "\u001b[32m",
  warn: "\u001b[33m",
  error: "\u001b[31m",
};
const PLAIN = "\u001b[0m";

/** `12:00:00.000Z info  agent.ready: agent serves  listen=127.0.0.1:8443` */
export function formatText(options: { readonly colour: boolean }): LineFormat {
  return (record) => {
    const level = record.level.padEnd(5);
    const shown = options.colour ? `${COLOURS[record.level]}${level}${PLAIN}` : level;
    const fields = [...safeFields(record.fields)].map(
      ([name, value]) => ` ${name}=${textValue(value)}`,
    );
    const head = `${isoTime(record.timeMs).slice(11)} ${shown} ${record.event}: ${record.msg}`;
    return fields.length === 0 ? head : `${head} ${fields.join("")}`;
  };
}

function textValue(value: LogValue): string {
  if (Array.isArray(value)) return `[${value.map(itemText).join(" ")}]`;
  const text = String(value);
  return escapeUnprintable(/[\s"=]/.test(text) || text === "" ? JSON.stringify(text) : text);
}

/** A row of a list as `{code=expired words="…"}`. */
function itemText(item: string | LogRow): string {
  if (typeof item === "string") return textValue(item);
  const fields = Object.entries(item).map(([name, text]) => `${name}=${textValue(text)}`);
  return `{${fields.join(" ")}}`;
}

/** A clock that stands beyond what a Date holds must not cost the line. */
function isoTime(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? "0000-00-00T00:00:00.000Z" : date.toISOString();
}
