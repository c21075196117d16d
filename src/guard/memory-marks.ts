/**
 * Water marks on anonymous memory, which the kernel can't take back. Under strain, new connections are
 * refused above the first mark, calls are shed above the second, reads before writes, and above the third
 * the longest idle connections are closed. Health checks and admin endpoints are never shed.
 *
 * Resident memory is no measure: it counts pages of the program file, which the kernel drops at will.
 * It must be able to keep some of them, though. When anonymous memory squeezes them out, every call
 * waits for the disk: the process is alive and of no use long before the kernel kills it. So the marks
 * stand at what the program's working set leaves of the limit.
 *
 * Strain is that its pages are read from disk again and again, or that the limit itself is near. Memory
 * alone does not count: an allocator keeps what a flood made it take, so the marks would shut out
 * everybody for good when it is long over and nothing is wrong any more.
 */
import { AgentError } from "../base/errors.ts";
import type { EndpointKind } from "./endpoint-kind.ts";

export type MemoryLevel = "calm" | "refusing" | "shedding" | "closing";

/** Bytes of anonymous memory. */
export interface MemoryMarks {
  readonly refuse: number;
  readonly shed: number;
  readonly close: number;
  /** So near the limit that it is strain by itself. */
  readonly brink: number;
}

/** What `status` shows of memory under a limit; bytes, but for the level and the faults. */
export interface MemoryView {
  readonly anon: number;
  readonly limit: number | undefined;
  readonly level: MemoryLevel;
  /** Times that a page of the program had to be read from disk. */
  readonly majorFaults: number;
  /** Of the last few seconds. */
  readonly majorFaultsPerSecond: number;
  /** Calls that were refused and idle connections that were closed for want of memory. */
  readonly shedCalls: number;
  readonly closedConnections: number;
}

const MIB = 1024 * 1024;
/** Working set of the program file under load (12 to 17 MiB) and what the kernel charges (3 MiB). */
const BELOW_LIMIT: Readonly<Record<keyof MemoryMarks, number>> = {
  refuse: 20 * MIB,
  shed: 17 * MIB,
  close: 15 * MIB,
  brink: 8 * MIB,
};
/** A level ends this far below its mark, or it would flutter. */
const SLACK = 1 * MIB;
/** An agent at rest takes about 16 MiB; a mark below that would refuse everybody for ever. */
const LOWEST_MARK = 24 * MIB;
/** With fewer connections than this it is not connections that take the memory. */
const FEW_CONNECTIONS = 32;
const RETRY_MS = 2_000;
const HEALTH_ENDPOINT = "Debug.Health";

/** @param limitBytes Of the control group or of the configuration. */
export function marksFor(limitBytes: number): MemoryMarks {
  const at = (below: number, step: number): number =>
    Math.max(limitBytes - below, LOWEST_MARK + step * MIB);
  return {
    refuse: at(BELOW_LIMIT.refuse, 0),
    shed: at(BELOW_LIMIT.shed, 3),
    close: at(BELOW_LIMIT.close, 5),
    brink: at(BELOW_LIMIT.brink, 8),
  };
}

const LEVELS: readonly MemoryLevel[] = ["calm", "refusing", "shedding", "closing"];

export class MemoryPressure {
  /** `undefined`: no limit is known, nothing is ever refused. */
  readonly marks: MemoryMarks | undefined;
  #level = 0;
  /** Calls that were shed. */
  shed = 0;

  constructor(marks: MemoryMarks | undefined) {
    this.marks = marks;
  }

  get level(): MemoryLevel {
    return LEVELS[this.#level] ?? "calm";
  }

  /**
   * Takes a measurement. @returns Whether the level changed.
   *
   * @param thrashing Whether the program's pages are read from disk again and again.
   */
  measured(anonBytes: number, thrashing: boolean): boolean {
    if (this.marks === undefined) return false;
    const { refuse, shed, close, brink } = this.marks;
    const before = this.#level;
    const strained = thrashing || anonBytes > brink;
    const marks = strained ? [refuse, shed, close] : [];
    const above = marks.filter((mark) => anonBytes > mark).length;
    const notYetBelow = marks.filter((mark) => anonBytes > mark - SLACK).length;
    this.#level = Math.max(above, Math.min(before, notYetBelow));
    return this.#level !== before;
  }

  /** Whether a newcomer must go. @param open Established connections. */
  refusesConnection(open: number): boolean {
    return this.#level > 0 && open >= FEW_CONNECTIONS;
  }

  /** How many of the longest idle connections must go now. @param open Established connections. */
  surplus(open: number, atOnce: number): number {
    if (this.level !== "closing") return 0;
    return Math.min(atOnce, Math.max(0, open - FEW_CONNECTIONS));
  }

  /** Why a call may not begin: `ERR_RPC_OVERLOADED` (503). */
  obstacle(call: {
    readonly endpoint: string;
    readonly kind: EndpointKind;
  }): AgentError | undefined {
    const { level } = this;
    if (level === "calm" || level === "refusing") return undefined;
    if (call.kind === "admin" || call.endpoint === HEALTH_ENDPOINT) return undefined;
    if (call.kind === "write" && level !== "closing") return undefined;
    this.shed++;
    return new AgentError("ERR_RPC_OVERLOADED", "the agent is short of memory", {
      fields: { limit: "memory_limit_mib", retry_after_ms: RETRY_MS },
    });
  }
}
