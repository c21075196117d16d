/**
 * How long this device has been cut off before: the last outages of an hour and more, kept in a note of the
 * store. Whoever renews leaves three times the longest of them as a margin.
 *
 * What the margin has to cover is how long the authority may be out of reach. It is asked once in a
 * lifetime, so by itself that is seen once in a lifetime. A device that reaches nobody at all does not reach
 * it either, so such spans count as well (`NetworkSigns` tells them: nothing reached, two hosts at least in
 * vain). They end with the first success of whatever. The other way round nothing follows: that a peer was
 * reached ends no outage of the authority, which only its own answer ends.
 *
 * Each outage costs the flash one write when it has lasted an hour, so that a restart does not forget it,
 * and one at its end. Spans are counted by the trusted time; one across a clock that nobody vouches for is
 * not counted.
 */
import * as v from "valibot";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { formatNote, parseNote } from "../identity/store/json-note.ts";

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
  /** Of the span in which nobody is reached, Unix ms; `undefined` while somebody is. */
  readonly networkSince?: number | undefined;
}

export const NO_OUTAGES: OutageRecord = { past: [], since: undefined };

/** Shorter ones say nothing about margins of days. */
export const MIN_OUTAGE_MS = 3_600_000;
/** A longer one is a device in a drawer, or a clock. */
const MAX_OUTAGE_MS = 366 * 86_400_000;
const MAX_OUTAGES = 16;

/** The longest on record; the one that goes on counts for as long as it has lasted. */
export function longestOutageMs(record: OutageRecord, nowMs: number): number {
  const lasting = (since: number | undefined): number =>
    since === undefined ? 0 : plausible(nowMs - since);
  const open = Math.max(lasting(record.since), lasting(record.networkSince));
  return Math.max(0, open, ...record.past.map(({ lengthMs }) => lengthMs));
}

/** With the end of the outage that went on; one that was too short, or that no clock can measure, is dropped. */
export function ended(record: OutageRecord, nowMs: number): OutageRecord {
  const { since, networkSince } = record;
  return { past: pastWith(record, earlier(since, networkSince), nowMs), since: undefined };
}

/** With the end of the span in which nobody was reached; as part of an outage of the authority it goes on. */
export function networkEnded(record: OutageRecord, nowMs: number): OutageRecord {
  const { past, since, networkSince } = record;
  if (since !== undefined) return { past, since: earlier(since, networkSince) };
  return { past: pastWith(record, networkSince, nowMs), since: undefined };
}

function pastWith(
  { past }: OutageRecord,
  since: number | undefined,
  nowMs: number,
): readonly Outage[] {
  if (since === undefined) return past;
  const lengthMs = plausible(nowMs - since);
  if (lengthMs < MIN_OUTAGE_MS) return past;
  return [...past, { endedAt: nowMs, lengthMs }].slice(-MAX_OUTAGES);
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

function plausible(lengthMs: number): number {
  return lengthMs > 0 && lengthMs <= MAX_OUTAGE_MS ? lengthMs : 0;
}

const moment = v.pipe(v.number(), v.finite(), v.minValue(0));
const shape = v.object({
  past: v.array(v.object({ endedAt: moment, lengthMs: v.pipe(moment, v.maxValue(MAX_OUTAGE_MS)) })),
  since: v.optional(moment),
  networkSince: v.optional(moment),
});

/** A note that is none counts as no outages: a margin is lost, nothing else. */
export function parseOutages(bytes: Uint8Array | undefined): OutageRecord {
  const kept = parseNote(shape, bytes);
  if (kept === undefined) return NO_OUTAGES;
  return { since: undefined, ...kept, past: kept.past.slice(-MAX_OUTAGES) };
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
    const { since } = this.#record;
    // A clock that went back begins it anew: what is before 1970 or in the future can't be measured.
    if (since === undefined || since > nowMs) this.#record = { ...this.#record, since: nowMs };
    await this.#writeIfLong(this.#record.since, this.#written.since, nowMs);
  }

  /** The authority answered, whatever it said. */
  async reached(): Promise<void> {
    const { since, networkSince } = this.#record;
    if (since === undefined && networkSince === undefined) return;
    this.#record = ended(this.#record, this.#ports.nowMs());
    await this.#writeIfChanged();
  }

  /** Nobody at all is reached. @param forMs Since when; a longer span that is known already goes on. */
  async cutOff(forMs: number): Promise<void> {
    const nowMs = this.#ports.nowMs();
    const { networkSince } = this.#record;
    if (networkSince === undefined || networkSince > nowMs) {
      this.#record = { ...this.#record, networkSince: Math.max(0, nowMs - forMs) };
    }
    await this.#writeIfLong(this.#record.networkSince, this.#written.networkSince, nowMs);
  }

  /** Somebody was reached, whoever. */
  async networkReached(): Promise<void> {
    if (this.#record.networkSince === undefined) return;
    this.#record = networkEnded(this.#record, this.#ports.nowMs());
    await this.#writeIfChanged();
  }

  async #writeIfLong(
    since: number | undefined,
    written: number | undefined,
    nowMs: number,
  ): Promise<void> {
    if (nowMs - (since ?? nowMs) >= MIN_OUTAGE_MS && written !== since) await this.#write();
  }

  /** What was too short has left no trace on the flash, and needs none now. */
  async #writeIfChanged(): Promise<void> {
    const [now, { past, since, networkSince }] = [this.#record, this.#written];
    const wasOpen = since !== undefined || networkSince !== undefined;
    if (past !== now.past || wasOpen) await this.#write();
  }

  async #write(): Promise<void> {
    const record = this.#record;
    try {
      await this.#ports.store.writeNote(OUTAGE_NOTE, formatNote(record));
      this.#written = record;
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
