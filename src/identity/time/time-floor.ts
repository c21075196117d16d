/**
 * The floor of trusted time as it lies in the store, and what is made of it at start: a floor that is
 * missing, torn or impossible gives way to the build date. That is safe: who can damage the note can
 * also delete it, and gains no more than that. Pure.
 */
import { createHash } from "node:crypto";
import { errorText } from "../../base/errors.ts";
import { formatMoment } from "../span-words.ts";
import { type FleetKey, parseStatement, verifyStatement } from "./time-statement.ts";

/** What proved the floor. */
export type FloorSource = "build" | "certificate" | "crl" | "ocsp" | "fleet";

export interface Floor {
  /** Unix ms; it was certainly this late already. */
  readonly atMs: number;
  readonly source: FloorSource;
  /** When the authority that vouched for it ends, Unix ms; only with a CA's word. */
  readonly untilMs?: number | undefined;
  /** What it rests on: a digest of the certificate, CRL or answer. */
  readonly evidence?: string | undefined;
  /** The fleet's own words, so that they can be checked again; only with a fleet signature. */
  readonly statement?: string | undefined;
  /** Evidence that a fleet statement proved wrong; it never counts again. */
  readonly disproved: readonly string[];
}

export interface FloorContext {
  /** Unix ms; 0 when run from the sources. */
  readonly builtAt: number;
  /** The last moment at which any authority that we know can have vouched for anything, Unix ms. */
  readonly plausibleUntilMs: number | undefined;
  readonly fleetKeys: readonly FleetKey[];
}

export interface FoundFloor {
  readonly floor: Floor;
  /** Why the note does not count, in words; `undefined` when it does, or there is none. */
  readonly fault: string | undefined;
}

export const FLOOR_NOTE = "time-floor";
export const MAX_DISPROVED = 16;
const MAX_NOTE_BYTES = 16 * 1024;
const SOURCES: readonly unknown[] = ["build", "certificate", "crl", "ocsp", "fleet"];

export function buildFloor(builtAt: number): Floor {
  return { atMs: builtAt, source: "build", disproved: [] };
}

/** As it is written: JSON with a checksum over the rest. */
export function formatFloor(floor: Floor): Uint8Array {
  const body = JSON.stringify({ format: 1, ...floor });
  return new TextEncoder().encode(JSON.stringify({ body, sum: sumOf(body) }));
}

/** @param bytes The note; `undefined` when there is none. */
export function readFloor(bytes: Uint8Array | undefined, context: FloorContext): FoundFloor {
  const base = buildFloor(context.builtAt);
  if (bytes === undefined) return { floor: base, fault: undefined };
  let noted: Floor;
  try {
    noted = parseFloor(bytes);
  } catch (error) {
    return { floor: base, fault: `it can't be read: ${errorText(error)}` };
  }
  const { disproved } = noted;
  const fault = implausible(noted, context);
  if (fault !== undefined) return { floor: { ...base, disproved }, fault };
  // A newer program knows of a later moment; and the build date is always this program's own.
  if (noted.source === "build" || noted.atMs <= base.atMs)
    return { floor: { ...base, disproved }, fault: undefined };
  return { floor: noted, fault: undefined };
}

function parseFloor(bytes: Uint8Array): Floor {
  if (bytes.length > MAX_NOTE_BYTES) throw new RangeError(`larger than ${MAX_NOTE_BYTES} bytes`);
  const outer: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  const { body, sum } = outer as { readonly body?: unknown; readonly sum?: unknown };
  if (typeof body !== "string" || sum !== sumOf(body)) throw new RangeError("wrong checksum");
  const noted = JSON.parse(body) as Partial<Floor> & { readonly format?: unknown };
  if (noted.format !== 1) throw new RangeError(`format ${String(noted.format)} is not known`);
  const { atMs, source, untilMs, evidence, statement, disproved } = noted;
  const whole = [atMs, untilMs ?? 0].every((value) => Number.isSafeInteger(value));
  const texts = [evidence ?? "", statement ?? ""].every((value) => typeof value === "string");
  if (atMs === undefined || !whole || !texts || !SOURCES.includes(source)) {
    throw new RangeError("a member is missing or of the wrong type");
  }
  if (!Array.isArray(disproved) || !disproved.every((id) => typeof id === "string")) {
    throw new RangeError("a member is missing or of the wrong type");
  }
  return {
    atMs,
    source: source as FloorSource,
    untilMs,
    evidence,
    statement,
    disproved: disproved.slice(-MAX_DISPROVED),
  };
}

/** A checksum does not prove who wrote it; what nobody can have vouched for is not believed. */
function implausible(floor: Floor, context: FloorContext): string | undefined {
  const { atMs, untilMs } = floor;
  const moment = momentWords(atMs);
  if (floor.source === "fleet") return fleetFault(floor, context.fleetKeys);
  if (floor.source === "build") return undefined;
  if (untilMs === undefined || atMs > untilMs) {
    return `it says ${moment}, which is later than its authority could vouch for`;
  }
  const { plausibleUntilMs } = context;
  if (plausibleUntilMs !== undefined && atMs > plausibleUntilMs) {
    return `it says ${moment}, when every authority of the trust bundle has ended`;
  }
  return undefined;
}

function fleetFault({ atMs, statement }: Floor, keys: readonly FleetKey[]): string | undefined {
  try {
    const signed = parseStatement(statement ?? "");
    const verdict = verifyStatement(signed, keys);
    if (verdict === "good" && signed.time === atMs) return undefined;
    return `it says ${momentWords(atMs)}, and no fleet key that is configured vouches for that`;
  } catch (error) {
    return `the fleet statement in it can't be read: ${errorText(error)}`;
  }
}

/** Numbers beyond what a Date holds come from damage only. */
function momentWords(atMs: number): string {
  return Math.abs(atMs) > 8.64e15 ? `${atMs} ms` : formatMoment(atMs);
}

function sumOf(body: string): string {
  return createHash("sha256").update(body).digest("hex");
}
