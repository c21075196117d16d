/**
 * The audit log: who asked for what, which rule decided, and how. Event family `audit.*`; never a body.
 *
 * - denied: the first of each peer and endpoint at once, repeats as a count once per window.
 * - allowed, write and admin: the same.
 * - allowed, read: once per peer and endpoint, and again after the policy changed.
 *
 * A log is flash that wears out, and peers decide how often they ask: there is a bound on lines per peer
 * and window, on lines per window, and on rows. What is over it is counted and the counts are written,
 * so nothing is left out silently.
 */
import type { LogEvent, LogFields, Logger } from "../base/log.ts";
import { type Principal, principalName } from "../base/principal.ts";
import type { Clock, Timer } from "../host/clock.ts";
import type { Decision, Standing, Target } from "./policy.ts";

export interface AuditOptions {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Takes note of decisions. Must not throw. */
export interface Audit {
  note(principal: Principal, target: Target, decision: Decision, standingOf: StandingOf): void;
}

type StandingOf = (principal: Principal) => Standing;

/** Repeats are counted this long. */
export const WINDOW_MS = 60_000;
const MAX_LINES = 100;
const MAX_LINES_PER_PEER = 20;
const MAX_ROWS = 512;
/** Reads that were told once. */
const MAX_READS = 2_048;

interface Row {
  readonly event: LogEvent;
  readonly peer: string;
  readonly fields: LogFields;
  /** Not written yet. */
  pending: number;
}

export class AuditLog implements Audit, Disposable {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #rows = new Map<string, Row>();
  /** In order of first use. */
  readonly #reads = new Set<string>();
  /** Decisions that this connection's peer need not be looked up for again. */
  #seen = new WeakMap<Principal, Set<Decision>>();
  /** Lines of this window by peer. */
  readonly #linesOf = new Map<string, number>();
  #lines = 0;
  /** Decisions that found no row. */
  #leftOut = 0;
  #timer: Timer | undefined;

  constructor({ clock, log }: AuditOptions) {
    this.#clock = clock;
    this.#log = log;
  }

  note(principal: Principal, target: Target, decision: Decision, standingOf: StandingOf): void {
    if (!decision.allowed) {
      this.#count("audit.denied", principal, target, decision, standingOf);
    } else if (decision.rule === undefined) {
      // without rules there is no rule to tell
    } else if (target.kind === "read") {
      this.#noteRead(principal, target, decision, standingOf);
    } else {
      this.#count("audit.allowed", principal, target, decision, standingOf);
    }
  }

  /** A new policy is in force: what was told of the old one says nothing of this one. */
  policyChanged(): void {
    this.#tell(Number.POSITIVE_INFINITY);
    this.#rows.clear();
    this.#reads.clear();
    this.#seen = new WeakMap();
  }

  /** Writes what is counted and not told yet. */
  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#tell(Number.POSITIVE_INFINITY);
  }

  #noteRead(who: Principal, target: Target, decision: Decision, standingOf: StandingOf): void {
    let seen = this.#seen.get(who);
    if (seen === undefined) {
      seen = new Set();
      this.#seen.set(who, seen);
    }
    if (seen.has(decision)) return;
    if (seen.size < MAX_READS) seen.add(decision);
    const key = `${peerKey(who)} ${target.service} ${target.endpoint}`;
    if (this.#reads.has(key)) return;
    if (this.#reads.size >= MAX_READS) {
      const [oldest = ""] = this.#reads;
      this.#reads.delete(oldest);
    }
    this.#reads.add(key);
    this.#count("audit.allowed", who, target, decision, standingOf);
  }

  #count(
    event: LogEvent,
    principal: Principal,
    target: Target,
    decision: Decision,
    standingOf: StandingOf,
  ): void {
    const peer = peerKey(principal);
    const key = `${event} ${peer} ${target.service} ${target.endpoint}`;
    const known = this.#rows.get(key);
    this.#timer ??= this.#clock.setTimer(WINDOW_MS, () => this.#sweep());
    if (known !== undefined) {
      known.pending += 1;
    } else if (this.#rows.size >= MAX_ROWS) {
      this.#leftOut += 1;
    } else {
      const fields = fieldsOf(principal, target, decision, standingOf(principal));
      const row: Row = { event, peer, fields, pending: 1 };
      this.#rows.set(key, row);
      this.#write(row, false);
    }
  }

  /** The end of a window: counts are told, rows that saw nothing more are forgotten. */
  #sweep(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#linesOf.clear();
    this.#lines = 0;
    this.#tell(MAX_LINES);
    if (this.#rows.size > 0) {
      this.#timer = this.#clock.setTimer(WINDOW_MS, () => this.#sweep());
    }
  }

  #tell(maxLines: number): void {
    for (const [key, row] of this.#rows) {
      if (row.pending === 0) this.#rows.delete(key);
      else if (maxLines === Number.POSITIVE_INFINITY) this.#emit(row, true);
      else this.#write(row, true);
    }
    if (this.#leftOut === 0) return;
    this.#log.emit("audit.omitted", { decisions: this.#leftOut });
    this.#leftOut = 0;
  }

  /** Writes a row within the bounds of this window; else its count waits for the next. */
  #write(row: Row, repeated: boolean): void {
    const lines = this.#linesOf.get(row.peer) ?? 0;
    if (this.#lines >= MAX_LINES || lines >= MAX_LINES_PER_PEER) return;
    this.#lines += 1;
    this.#linesOf.set(row.peer, lines + 1);
    this.#emit(row, repeated);
  }

  #emit(row: Row, repeated: boolean): void {
    this.#log.emit(row.event, { ...row.fields, repeated: repeated ? row.pending : undefined });
    row.pending = 0;
  }
}

/**
 * Connections of one verified certificate are one peer; else those of one address, since who is not
 * verified can make as many certificates as it likes.
 */
function peerKey({ verified, certificate, remote }: Principal): string {
  if (verified && certificate !== undefined) return certificate.fingerprint;
  return remote.slice(0, remote.lastIndexOf(":"));
}

function fieldsOf(
  principal: Principal,
  { service, endpoint, kind }: Target,
  decision: Decision,
  { roles, rules }: Standing,
): LogFields {
  return {
    peer: principalName(principal),
    remote: principal.remote,
    fingerprint: principal.certificate?.fingerprint,
    verified: principal.verified,
    service,
    endpoint,
    kind,
    outcome: decision.allowed ? "allowed" : "denied",
    code: decision.allowed ? undefined : decision.code,
    rule: decision.rule,
    roles,
    peer_rules: rules,
  };
}
