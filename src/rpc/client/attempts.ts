/**
 * The attempts of one call: choose a node, try it, tell the selector how it went, decide whether to try
 * again, wait; all within one limit. What "trying" means, a unary exchange or the opening of a stream, is
 * the caller's.
 */
import { AgentError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Random } from "../../host/random.ts";
import type { ServiceNode } from "../../registry/record.ts";
import type { NodeOutcome, NodeSelector } from "../../registry/selector.ts";
import type { CallLimit, LimitEnd } from "./call-limit.ts";
import type { NodeLookup } from "./node-lookup.ts";
import { type AttemptFailure, retryWaitMs } from "./retry.ts";

export type AttemptResult<T> =
  | { readonly ok: true; readonly value: T }
  | ({
      readonly ok: false;
      /** A whole reply came, so the node is well, whatever the reply said. */
      readonly answered: boolean;
      /** Says how the node did where the error alone does not tell. */
      readonly outcome?: NodeOutcome | undefined;
    } & AttemptFailure);

/**
 * Milliseconds for which a node must have kept a call waiting for a connection before that is held
 * against it: a handshake over a mobile network takes as long.
 */
export const UNREACHABLE_MS = 1000;

export interface AttemptsContext {
  readonly lookup: NodeLookup;
  readonly selector: NodeSelector;
  readonly random: Random;
  readonly log: Logger;
  readonly counters: { retries: number };
}

export interface AttemptsPlan<T> {
  /** Service and endpoint, for messages. */
  readonly what: string;
  readonly service: string;
  /** The one node to call; `undefined`: ask the registry. */
  readonly fixed: ServiceNode | undefined;
  readonly limit: CallLimit;
  readonly maxAttempts: number;
  readonly idempotent: boolean;
  /**
   * Never rejects.
   *
   * @param connectMs How long to wait for a connection, since another node would be tried after that;
   *   infinite if there is none.
   */
  attempt(node: ServiceNode, attempts: number, connectMs: number): Promise<AttemptResult<T>>;
}

export interface AttemptsOutcome<T> {
  readonly value: T;
  readonly node: ServiceNode;
  readonly attempts: number;
}

/** @throws AgentError of the last attempt, or of the lookup. */
export async function runAttempts<T>(
  plan: AttemptsPlan<T>,
  context: AttemptsContext,
): Promise<AttemptsOutcome<T>> {
  const { limit } = plan;
  if (limit.ended !== undefined) throw endError(plan.what, limit, limit.ended, "the call to begin");
  const nodes = await nodesOf(plan, context);
  let tried: Set<string> | undefined;
  for (let attempts = 1; ; attempts += 1) {
    const node = plan.fixed ?? context.selector.pick(plan.service, nodes, tried);
    const otherNode =
      nodes.length > 1 &&
      nodes.some(({ address }) => address !== node.address && tried?.has(address) !== true);
    const mayMove = otherNode && attempts < plan.maxAttempts;
    const connectMs = mayMove ? connectShareMs(limit) : Number.POSITIVE_INFINITY;
    const result = await plan.attempt(node, attempts, connectMs);
    report(plan, context.selector, node, result);
    if (result.ok) return { value: result.value, node, attempts };
    tried ??= new Set();
    tried.add(node.address);
    const waitMs = retryWaitMs(result, {
      attempts,
      maxAttempts: plan.maxAttempts,
      idempotent: plan.idempotent,
      otherNode,
      remainingMs: limit.remainingMs,
      draw: context.random.draw(),
    });
    if (waitMs === undefined) throw result.error;
    noteRetry(plan, context, { node, attempts, waitMs, code: result.error.code });
    if (waitMs > 0) await limit.sleep(waitMs);
  }
}

/**
 * A node that is gone without a word (no power, no network) answers neither yes nor no: with another
 * node at hand half of the time is enough for it.
 */
function connectShareMs({ remainingMs }: CallLimit): number {
  return Math.max(UNREACHABLE_MS, remainingMs / 2);
}

/** The error of a call that ran out of time or was given up while it waited for something. */
export function endError(
  what: string,
  limit: CallLimit,
  end: LimitEnd,
  waitedFor: string,
): AgentError {
  if (end === "deadline") {
    return new AgentError(
      "ERR_RPC_DEADLINE",
      `${what}: time is up, still waiting for ${waitedFor}`,
    );
  }
  return new AgentError("ERR_RPC_CANCELLED", `${what}: given up while waiting for ${waitedFor}`, {
    cause: limit.reason,
  });
}

/** The error of an attempt that is given up because another node may be there. */
export function unreachable(what: string, { address }: ServiceNode, connectMs: number): AgentError {
  return new AgentError(
    "ERR_RPC_CONNECT",
    `${what}: no connection to ${address} within ${Math.round(connectMs)} ms`,
    { fields: { node: address } },
  );
}

async function nodesOf(
  plan: AttemptsPlan<unknown>,
  { lookup }: AttemptsContext,
): Promise<readonly ServiceNode[]> {
  if (plan.fixed !== undefined) return [plan.fixed];
  const known = lookup.peek(plan.service);
  if (known !== undefined) return known;
  const nodes = await lookup.find(plan.service, plan.limit);
  const { ended } = plan.limit;
  if (ended !== undefined) throw endError(plan.what, plan.limit, ended, "the registry");
  return nodes;
}

/** A node is bad if it can't be reached or loses the connection. A slow answer may be the handler's. */
function report(
  plan: AttemptsPlan<unknown>,
  selector: NodeSelector,
  node: ServiceNode,
  result: AttemptResult<unknown>,
): void {
  if (plan.fixed !== undefined) return;
  selector.report(node, outcomeOf(result));
}

function outcomeOf(result: AttemptResult<unknown>): NodeOutcome {
  if (result.ok || result.answered) return "good";
  return result.outcome ?? (NODE_FAULTS.has(result.error.code) ? "failed" : "neutral");
}

const NODE_FAULTS: ReadonlySet<string> = new Set([
  "ERR_RPC_CONNECT",
  "ERR_RPC_CONNECTION_LOST",
  "ERR_TLS_HANDSHAKE",
  "ERR_TLS_PEER_REFUSED",
  "ERR_WIRE_MESSAGE",
]);

function noteRetry(
  plan: AttemptsPlan<unknown>,
  { counters, log }: AttemptsContext,
  retry: { node: ServiceNode; attempts: number; waitMs: number; code: string },
): void {
  counters.retries += 1;
  if (!log.enabled("debug")) return;
  log.emit("rpc.client.retry", {
    call: plan.what,
    node: retry.node.address,
    attempt: retry.attempts,
    wait_ms: retry.waitMs,
    code: retry.code,
  });
}
