/**
 * How long this device has been cut off before: the last outages of an hour and more, kept in a note of the
 * store. Whoever renews leaves three times the longest of them as a margin.
 *
 * An outage begins with the first failure to reach the authority and ends with the first success. It costs
 * the flash one write when it has lasted an hour, so that a restart does not forget it, and one at its end.
 * Spans are counted by the trusted time; one across a clock that nobody vouches for is not counted.
 */
import type { CertificateStore } from "../identity/store/certificate-store.ts";

export const OUTAGE_NOTE = "outages";

export interface Outage {
  /** Unix ms by the trusted time. */
  readonly endedAt: number;
  /** Ms. */
  readonly lengthMs: number;
}

export interface OutageRecord {
  /** The newest last. */
  readonly past: readonly Outage[];
  /** Of the one that goes on, Unix ms; `undefined` while the authority is reached. */
  readonly since: number | undefined;
}

export const NO_OUTAGES: OutageRecord = { past: [], since: undefined };

/** Shorter ones say nothing about margins of days. */
export const MIN_OUTAGE_MS = 3_600_000;
/** A longer one is a device in a drawer, or a clock. */
const MAX_OUTAGE_MS = 366 * 86_400_000;
const MAX_OUTAGES = 16;

/** The longest on record; the one that goes on counts for as long as it has lasted. */
export function longestOutageMs(record: OutageRecord, nowMs: number): number {
  const open = record.since === undefined ? 0 : plausible(nowMs - record.since);
  return Math.max(0, open, ...record.past.map(({ lengthMs }) => lengthMs));
}

/** With the end of the outage that went on; one that was too short, or that no clock can measure, is dropped. */
export function ended(record: OutageRecord, nowMs: number): OutageRecord {
  if (record.since === undefined) return record;
  const lengthMs = plausible(nowMs - record.since);
  const past =
    lengthMs < MIN_OUTAGE_MS
      ? record.past
      : [...record.past, { endedAt: nowMs, lengthMs }].slice(-MAX_OUTAGES);
  return { past, since: undefined };
}

function plausible(lengthMs: number): number {
  return lengthMs > 0 && lengthMs <= MAX_OUTAGE_MS ? lengthMs : 0;
}

export function formatOutages(record: OutageRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: 1, ...record }));
}

/** A note that is none counts as no outages: a margin is lost, nothing else. */
export function parseOutages(bytes: Uint8Array | undefined): OutageRecord {
  if (bytes === undefined) return NO_OUTAGES;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return NO_OUTAGES;
  }
  const { version, past, since } = (value ?? {}) as Record<string, unknown>;
  if (version !== 1 || !Array.isArray(past)) return NO_OUTAGES;
  return {
    past: past.filter(isOutage).slice(-MAX_OUTAGES),
    since: isMoment(since) ? since : undefined,
  };
}

function isOutage(value: unknown): value is Outage {
  const { endedAt, lengthMs } = (value ?? {}) as Record<string, unknown>;
  return isMoment(endedAt) && isMoment(lengthMs) && lengthMs <= MAX_OUTAGE_MS;
}

function isMoment(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

export interface OutageHistoryPorts {
  readonly store: Pick<CertificateStore, "readNote" | "writeNote">;
  /** `TrustedTime.dueMs`. */
  readonly nowMs: () => number;
  /** Told of a note that could not be written or read; the history goes on in memory. */
  readonly onFault: (error: unknown) => void;
}

export class OutageHistory {
  readonly #ports: OutageHistoryPorts;
  #record: OutageRecord;
  /** As it stands on the flash. */
  #written: OutageRecord;

  /** Use {@link openOutageHistory}. */
  constructor(ports: OutageHistoryPorts, record: OutageRecord) {
    this.#ports = ports;
    this.#record = record;
    this.#written = record;
  }

  /** Ms. */
  get longestMs(): number {
    return longestOutageMs(this.#record, this.#ports.nowMs());
  }

  get record(): OutageRecord {
    return this.#record;
  }

  /** The authority could not be reached. */
  async failed(): Promise<void> {
    const nowMs = this.#ports.nowMs();
    const { past, since } = this.#record;
    // A clock that went back begins it anew: what is before 1970 or in the future can't be measured.
    if (since === undefined || since > nowMs) this.#record = { past, since: nowMs };
    const lasted = nowMs - (this.#record.since ?? nowMs);
    if (lasted >= MIN_OUTAGE_MS && this.#written.since !== this.#record.since) await this.#write();
  }

  /** The authority answered, whatever it said. */
  async reached(): Promise<void> {
    if (this.#record.since === undefined) return;
    this.#record = ended(this.#record, this.#ports.nowMs());
    const { past, since } = this.#written;
    if (past !== this.#record.past || since !== undefined) await this.#write();
  }

  async #write(): Promise<void> {
    try {
      await this.#ports.store.writeNote(OUTAGE_NOTE, formatOutages(this.#record));
      this.#written = this.#record;
    } catch (error) {
      this.#ports.onFault(error);
    }
  }
}

/** Never rejects: a history that can't be read begins anew. */
export async function openOutageHistory(ports: OutageHistoryPorts): Promise<OutageHistory> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await ports.store.readNote(OUTAGE_NOTE);
  } catch (error) {
    ports.onFault(error);
  }
  return new OutageHistory(ports, parseOutages(bytes));
}
