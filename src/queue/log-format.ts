/**
 * How a durable log lies in its file. Pure.
 *
 * The file is two halves. The one with the higher lap counts: its first line says what it is, then
 * comes a snapshot of everything at the time the lap began, then, each at the beginning of a block,
 * the records since. The other half is the lap before, and is where the next lap goes.
 *
 *     microedge-KIND VERSION LAP SNAPSHOT-BYTES NONCE SHA-256     record LAP NUMBER BYTES SHA-256
 *     snapshot                                                    payload
 *
 * A record has blocks of its own, so that no write ever touches the block of one that was acknowledged.
 * Its checksum covers the checksum before it, and the first one that of the lap with its random nonce:
 * what an older lap has left behind never passes for a record of this one, and nothing does that
 * follows a damaged one. The frame is the same in every version.
 */
import { createHash } from "node:crypto";

/** The unit in which the page cache, and most flash, is written. Bytes. */
export const BLOCK_BYTES = 4096;
const MAX_LINE = 192;
const LAP_LINE =
  /^(microedge-([a-z]+) (\d{1,6}) (\d{1,15}) (\d{1,9}) ([0-9a-f]{32})) ([0-9a-f]{64})$/;
const RECORD_LINE = /^(record (\d{1,15}) (\d{1,9}) (\d{1,9})) ([0-9a-f]{64})$/;

/** Bytes to write, and the checksum that the next record builds on. */
export interface Sealed {
  readonly bytes: Uint8Array;
  readonly chain: string;
}

/** @param nonce 16 random bytes. */
export function sealLap(
  format: LogFormat,
  lap: number,
  nonce: Uint8Array,
  snapshot: Uint8Array,
): Sealed {
  const { kind, version } = format;
  const hex = Buffer.from(nonce).toString("hex");
  return seal(`microedge-${kind} ${version} ${lap} ${snapshot.length} ${hex}`, "", snapshot);
}

/** @param chain Of the lap, or of the record before. */
export function sealRecord(
  lap: number,
  number: number,
  chain: string,
  payload: Uint8Array,
): Sealed {
  return seal(`record ${lap} ${number} ${payload.length}`, chain, payload);
}

/** Bytes that a record with such a payload takes. */
export function recordBytes(payloadBytes: number): number {
  return blocks(payloadBytes + MAX_LINE);
}

export interface LogFormat {
  /** Lower-case letters. */
  readonly kind: string;
  /** The highest that this program can read. */
  readonly version: number;
}

export interface WholeLap {
  readonly kind: "whole";
  readonly lap: number;
  readonly snapshot: Uint8Array;
  readonly records: readonly Uint8Array[];
  /** Where the next record would go, bytes from the beginning of the half. */
  readonly endBytes: number;
  /**
   * `torn`: a record was being written when the process or the power ended, and was not acknowledged.
   * `damaged`: more records of this lap follow it, so what was acknowledged is lost.
   */
  readonly cut: "torn" | "damaged" | undefined;
}

export type ReadLap =
  | WholeLap
  /** Never written. */
  | { readonly kind: "blank" }
  | { readonly kind: "damaged" }
  | { readonly kind: "newer"; readonly version: number };

/** @param half The bytes of one half. */
export function readLap(format: LogFormat, half: Uint8Array): ReadLap {
  if (half.subarray(0, BLOCK_BYTES).every((byte) => byte === 0)) return { kind: "blank" };
  const { line, end } = lineAt(half, 0);
  const match = LAP_LINE.exec(line);
  if (match === null || match[2] !== format.kind) return { kind: "damaged" };
  const snapshot = half.slice(end, end + Number(match[5]));
  const begin = match[1] ?? "";
  const whole = snapshot.length === Number(match[5]) && checksum(begin, "", snapshot) === match[7];
  if (!whole) return { kind: "damaged" };
  const version = Number(match[3]);
  if (version > format.version) return { kind: "newer", version };
  const lap = Number(match[4]);
  const endBytes = blocks(end + snapshot.length);
  return { kind: "whole", lap, snapshot, ...readRecords(half, endBytes, lap, match[7] ?? "") };
}

function readRecords(
  half: Uint8Array,
  from: number,
  lap: number,
  lapChain: string,
): Pick<WholeLap, "records" | "endBytes" | "cut"> {
  const records: Uint8Array[] = [];
  let position = from;
  let chain = lapChain;
  for (;;) {
    const record = recordAt(half, position);
    if (record?.lap !== lap || record.number !== records.length + 1) break;
    const { begin, payload, sum, bytes } = record;
    if (payload.length !== record.length || checksum(begin, chain, payload) !== sum) break;
    records.push(payload);
    chain = sum;
    position += bytes;
  }
  return { records, endBytes: position, cut: cutAt(half, position, lap, records.length) };
}

function cutAt(half: Uint8Array, position: number, lap: number, last: number): WholeLap["cut"] {
  for (let at = position + BLOCK_BYTES; at < half.length; at += BLOCK_BYTES) {
    const later = recordAt(half, at);
    if (later?.lap === lap && later.number > last + 1) return "damaged";
  }
  return recordAt(half, position)?.lap === lap ? "torn" : undefined;
}

interface FoundRecord {
  readonly begin: string;
  readonly lap: number;
  readonly number: number;
  readonly length: number;
  readonly payload: Uint8Array;
  readonly sum: string;
  readonly bytes: number;
}

function recordAt(half: Uint8Array, position: number): FoundRecord | undefined {
  const { line, end } = lineAt(half, position);
  const match = RECORD_LINE.exec(line);
  if (match === null) return undefined;
  const [, begin = "", lap, number, length, sum = ""] = match;
  return {
    ...{ begin, sum, lap: Number(lap), number: Number(number), length: Number(length) },
    payload: half.slice(end, end + Number(length)),
    bytes: recordBytes(Number(length)),
  };
}

function lineAt(bytes: Uint8Array, position: number): { line: string; end: number } {
  const room = bytes.subarray(position, position + MAX_LINE);
  const length = room.indexOf(0x0a);
  if (length < 0) return { line: "", end: position };
  return { line: new TextDecoder().decode(room.subarray(0, length)), end: position + length + 1 };
}

function seal(begin: string, chain: string, payload: Uint8Array): Sealed {
  const sum = checksum(begin, chain, payload);
  const line = new TextEncoder().encode(`${begin} ${sum}\n`);
  const isRecord = begin.startsWith("record ");
  const size = isRecord ? recordBytes(payload.length) : blocks(line.length + payload.length);
  const bytes = new Uint8Array(size);
  bytes.set(line);
  bytes.set(payload, line.length);
  return { bytes, chain: sum };
}

function checksum(begin: string, chain: string, payload: Uint8Array): string {
  const hash = createHash("sha256").update(`${chain}\n${begin}\n`);
  return hash.update(payload).digest("hex");
}

function blocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}
