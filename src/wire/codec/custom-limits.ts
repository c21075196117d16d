/**
 * What a codec of a handler module may read and write, in both directions. Each bound has a default and
 * a most; an author may only choose within.
 */
import { AgentError } from "../../base/errors.ts";
import { nearest } from "../../base/nearest.ts";
import { MAX_DEPTH, MAX_VALUES } from "./limits.ts";

export interface CustomLimits {
  /** Bytes of one body. */
  readonly maxBodyBytes: number;
  /** Arrays and objects inside one another. */
  readonly maxDepth: number;
  /** UTF-16 units of one string or member name; bytes of one byte string. */
  readonly maxStringLength: number;
  /** Elements of one array. */
  readonly maxArrayLength: number;
  /** Members of one object. */
  readonly maxKeys: number;
  /** Numbers are finite and within these; integers of `bigint` within 64 bits, too. */
  readonly minNumber: number;
  readonly maxNumber: number;
  /** Real time for one body, in one direction: wide, since a busy device counts too. */
  readonly maxMs: number;
}

const MIB = 1024 * 1024;
const DOUBLE = Number.MAX_VALUE;

interface Bound {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly whole: boolean;
}

const count = (byDefault: number, max: number): Bound => ({
  default: byDefault,
  min: 1,
  max,
  whole: true,
});

/** @param maxBodyBytes Of the whole agent: `rpc.max_body_bytes`. */
function bounds(maxBodyBytes: number): Readonly<Record<keyof CustomLimits, Bound>> {
  return {
    maxBodyBytes: count(Math.min(MIB, maxBodyBytes), maxBodyBytes),
    maxDepth: count(32, MAX_DEPTH),
    maxStringLength: count(Math.min(64 * 1024, maxBodyBytes), maxBodyBytes),
    maxArrayLength: count(10_000, MAX_VALUES),
    maxKeys: count(1_000, MAX_VALUES),
    minNumber: { default: -DOUBLE, min: -DOUBLE, max: DOUBLE, whole: false },
    maxNumber: { default: DOUBLE, min: -DOUBLE, max: DOUBLE, whole: false },
    maxMs: count(250, 2_000),
  };
}

/**
 * The limits that `asked` names, the others at their defaults.
 *
 * @param maxBodyBytes Of the whole agent.
 * @throws AgentError `ERR_HANDLER_MODULE` for an unknown name or a value outside of its bounds.
 */
export function customLimits(asked: unknown, maxBodyBytes: number): CustomLimits {
  if (asked !== undefined && (typeof asked !== "object" || asked === null)) {
    throw fault("limits is not an object");
  }
  const given = (asked ?? {}) as Readonly<Record<string, unknown>>;
  const known = bounds(maxBodyBytes);
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue;
    const meant = nearest(name, Object.keys(known));
    const advice = meant === undefined ? Object.keys(known).join(", ") : `did you mean ${meant}?`;
    throw fault(`limits has no ${JSON.stringify(name.slice(0, 40))}: ${advice}`);
  }
  const limits = Object.fromEntries(
    Object.entries(known).map(([name, bound]) => [name, chosen(name, given[name], bound)]),
  ) as unknown as CustomLimits;
  if (limits.minNumber > limits.maxNumber) throw fault("limits: minNumber is above maxNumber");
  return limits;
}

function chosen(name: string, value: unknown, { default: usual, min, max, whole }: Bound): number {
  if (value === undefined) return usual;
  if (typeof value === "number" && value >= min && value <= max) {
    if (!whole || Number.isInteger(value)) return value;
  }
  const kind = whole ? "a whole number" : "a number";
  throw fault(`limits.${name} must be ${kind} from ${min} to ${max}`);
}

function fault(message: string): AgentError {
  return new AgentError("ERR_HANDLER_MODULE", message);
}
