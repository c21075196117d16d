/**
 * The attempts of one call: choose a node, try it, tell the selector how it went, decide whether to try
 * again, wait; all within one limit. What "trying" means, a unary exchange or the opening of a stream, is
 * the caller's.
 */
import { AgentError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Random } from "../../host/random.ts";
import type { ServiceNode } from "../../registry/record.ts";
import type { NodeSelector } from "../../registry/selector.ts";
import type { CallLimit, LimitEnd } from "./call-limit.ts";
import type { NodeLookup } from "./node-lookup.ts";
import { type AttemptFailure, retryWaitMs } from "./retry.ts";

export type AttemptResult<T> =
  | { readonly ok: true; readonly value: T }
  /** `answered`: a whole reply came, so the node is well, whatever the reply said. */
  | ({ readonly ok: false; readonly answered: boolean } & AttemptFailure);

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
  /** Never rejects. */
  attempt(node: ServiceNode, attempts: number): Promise<AttemptResult<T>>;
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
    const result = await plan.attempt(node, attempts);
    report(plan, context.selector, node, result);
    if (result.ok) return { value: result.value, node, attempts };
    tried ??= new Set();
    tried.add(node.address);
    const waitMs = retryWaitMs(result, {
      attempts,
      maxAttempts: plan.maxAttempts,
      idempotent: plan.idempotent,
      otherNode: nodes.some(({ address }) => tried?.has(address) !== true),
      remainingMs: limit.remainingMs,
      draw: context.random.draw(),
    });
    if (waitMs === undefined) throw result.error;
    noteRetry(plan, context, { node, attempts, waitMs, code: result.error.code });
    if (waitMs > 0) await limit.sleep(waitMs);
  }
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
  if (result.ok || result.answered) selector.report(node, "good");
  else selector.report(node, NODE_FAULTS.has(result.error.code) ? "failed" : "neutral");
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
