/**
 * How many connections fit below a memory limit, worked out once, at start. Pure.
 */
import type { AdmissionLimits } from "../transport/admission.ts";

const MIB = 1024 * 1024;
/**
 * Measured (`test/flood`, `docs/memory.md`): working set of the program file and the kernel's own,
 * 17 MiB; anonymous memory in a flood, without what connections take, 35 MiB; and 60 KiB for each.
 */
const FIXED_BYTES = 52 * MIB;
const CONNECTION_BYTES = 60 * 1024;
/** Below this an agent is of no use; a limit so small is complained about instead. */
const FEWEST = 32;
/** More only when the configuration asks: the heap has an upper bound of its own. */
const MOST_BY_DEFAULT = 200;
/** Newcomers that may wait for a handshake or have not said a word; what a silent one takes is small. */
const WAITING_NEWCOMERS = 60;
const RESERVED_AT_MOST = 4;
/** One place in so many is kept for local peers. */
const RESERVED_SHARE = 16;

export interface CapacityWishes {
  readonly maxConnections: number | undefined;
  readonly maxHandshakes: number;
  readonly memoryLimitMib: number | undefined;
}

export interface Capacity {
  /** Bytes; `undefined`: none is known. */
  readonly limitBytes: number | undefined;
  readonly admission: AdmissionLimits & {
    readonly maxNewcomers: number;
    readonly reserved: number;
  };
  /** The limit that the wished connections would need, MiB; `undefined` when they fit. */
  readonly neededMib: number | undefined;
  /** Connections that fit; infinite without a limit. */
  readonly fitting: number;
}

/** @param groupLimitBytes What the control group allows: whatever the configuration says, the kernel enforces it. */
export function capacityOf(wishes: CapacityWishes, groupLimitBytes: number | undefined): Capacity {
  const { maxConnections: wished, maxHandshakes, memoryLimitMib } = wishes;
  const tightest = Math.min((memoryLimitMib ?? Infinity) * MIB, groupLimitBytes ?? Infinity);
  const limitBytes = Number.isFinite(tightest) ? tightest : undefined;
  const fitting = Math.max(0, Math.floor((tightest - FIXED_BYTES) / CONNECTION_BYTES));
  const maxConnections = wished ?? Math.max(FEWEST, Math.min(MOST_BY_DEFAULT, fitting));
  return {
    limitBytes,
    fitting,
    admission: {
      maxConnections,
      maxHandshakes,
      maxNewcomers: Math.min(maxConnections, maxHandshakes + WAITING_NEWCOMERS),
      reserved: Math.min(RESERVED_AT_MOST, Math.floor(maxConnections / RESERVED_SHARE)),
    },
    neededMib:
      maxConnections <= fitting
        ? undefined
        : Math.ceil((FIXED_BYTES + maxConnections * CONNECTION_BYTES) / MIB),
  };
}

/** What is wrong with the limits, as a sentence; `undefined` when they fit. */
export function misfitWords({ admission, limitBytes, neededMib }: Capacity): string | undefined {
  if (neededMib === undefined || limitBytes === undefined) return undefined;
  return `${admission.maxConnections} connections need a memory limit of ${neededMib} MiB, and it is ${Math.floor(limitBytes / MIB)} MiB`;
}
