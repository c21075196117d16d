/**
 * Whether a time statement counts here and now. Every refusal has its reason; the signature is looked at
 * first, so that nobody without a fleet key learns anything from the order of the others. Pure.
 */
import { formatMoment } from "../span-words.ts";
import type { NonceState } from "./time-challenge.ts";
import { type FleetKey, type SignedStatement, verifyStatement } from "./time-statement.ts";

export type StatementRefusal =
  | "malformed"
  | "no-fleet-key"
  | "unknown-key"
  | "bad-signature"
  | "wrong-device"
  | "wrong-epoch"
  | "unknown-nonce"
  | "used-nonce"
  | "old-nonce"
  | "before-build";

export interface StatementContext {
  readonly device: string | undefined;
  /** Of the store; `undefined` without one. */
  readonly epoch: string | undefined;
  readonly keys: readonly FleetKey[];
  readonly nonce: NonceState;
  /** Unix ms. */
  readonly builtAt: number;
}

export interface StatementFault {
  readonly reason: StatementRefusal;
  readonly words: string;
}

/** Why a statement does not count; `undefined` if it does. */
export function judgeStatement(
  statement: SignedStatement,
  context: StatementContext,
): StatementFault | undefined {
  const { keys, device, epoch, nonce, builtAt } = context;
  if (keys.length === 0) {
    return {
      reason: "no-fleet-key",
      words: "time.fleet_keys names no key; statements don't count",
    };
  }
  const verdict = verifyStatement(statement, keys);
  if (verdict === "unknown-key") {
    const words = `it names the key ${statement.key}, which is not in time.fleet_keys`;
    return { reason: verdict, words };
  }
  if (verdict === "bad-signature") {
    return { reason: verdict, words: `the key ${statement.key} did not sign this` };
  }
  if (statement.device !== device) {
    const words = `it is for "${statement.device}", and this device is ${device === undefined ? "without a name" : `"${device}"`}`;
    return { reason: "wrong-device", words };
  }
  if (statement.epoch !== epoch) {
    const words = `it is for epoch ${statement.epoch} of the store, which is ${epoch ?? "not there"}`;
    return { reason: "wrong-epoch", words };
  }
  const fault = NONCE_FAULTS[nonce.kind];
  if (fault !== undefined) return fault;
  if (statement.time < builtAt) {
    const words = `it says ${formatMoment(statement.time)}, but this program is of ${formatMoment(builtAt)}`;
    return { reason: "before-build", words };
  }
  return undefined;
}

const NONCE_FAULTS: Readonly<Record<NonceState["kind"], StatementFault | undefined>> = {
  open: undefined,
  unknown: {
    reason: "unknown-nonce",
    words: "its nonce was not drawn here since the agent started",
  },
  used: { reason: "used-nonce", words: "its nonce has been answered already" },
  old: { reason: "old-nonce", words: "its nonce is older than ten minutes" },
};
