/**
 * What a handler module says about a codec of its own, checked, and put into the wrapper that holds it
 * (`wire/codec/custom-codec.ts`).
 */
import { AgentError, isAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { nearest } from "../base/nearest.ts";
import type { TimeBox } from "../host/time-box.ts";
import { HandlerError } from "../rpc/server/handler-error.ts";
import type { Codec } from "../wire/codec/codec.ts";
import { customCodec } from "../wire/codec/custom-codec.ts";
import { customLimits } from "../wire/codec/custom-limits.ts";

export interface CodecSurroundings {
  /** `rpc.max_body_bytes`: no codec may take more. */
  readonly maxBodyBytes: number;
  readonly timeBox: TimeBox;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Carries the module on every line. */
  readonly log: Logger;
}

const KEYS = ["contentType", "read", "write", "checkRead", "checkWrite", "limits"] as const;

/**
 * The codec that `definition` describes.
 *
 * @throws AgentError `ERR_HANDLER_MODULE` that names what is wrong.
 */
export function codecOf(definition: unknown, surroundings: CodecSurroundings): Codec {
  const { maxBodyBytes, timeBox, nowMs, log } = surroundings;
  if (typeof definition !== "object" || definition === null) {
    throw fault("codec: expected an object with contentType, read and write");
  }
  const given = definition as Readonly<Record<string, unknown>>;
  const { contentType } = given;
  if (typeof contentType !== "string") throw fault("codec: contentType is not a string");
  const name = `codec ${JSON.stringify(contentType.slice(0, 80))}`;
  assertKeys(name, given);
  try {
    return customCodec({
      contentType,
      read: functionOf(given, "read"),
      write: functionOf(given, "write"),
      checkRead: given["checkRead"] === undefined ? undefined : functionOf(given, "checkRead"),
      checkWrite: given["checkWrite"] === undefined ? undefined : functionOf(given, "checkWrite"),
      limits: customLimits(given["limits"], maxBodyBytes),
      maxText: maxBodyBytes,
      timeBox,
      blamesBody,
      nowMs,
      onFault: ({ direction, kind, reason, failures }) =>
        log.emit("codec.failed", { codec: contentType, direction, kind, reason, failures }),
      onRest: (forMs) => log.emit("codec.resting", { codec: contentType, for_ms: forMs }),
    });
  } catch (thrown) {
    if (!isAgentError(thrown)) throw thrown;
    throw fault(`${name}: ${thrown.message}`);
  }
}

/** By `sdk.error(4xx, …)`, or as parsers in JavaScript say it: with a `SyntaxError`. */
function blamesBody(thrown: unknown): string | undefined {
  if (thrown instanceof SyntaxError) return String(thrown.message);
  if (thrown instanceof HandlerError && thrown.status < 500) return String(thrown.message);
  return undefined;
}

function assertKeys(name: string, given: Readonly<Record<string, unknown>>): void {
  for (const key of Object.keys(given)) {
    if (KEYS.some((known) => known === key)) continue;
    const meant = nearest(key, KEYS);
    const advice = meant === undefined ? `known are ${KEYS.join(", ")}` : `did you mean ${meant}?`;
    throw fault(`${name}: unknown key ${JSON.stringify(key.slice(0, 40))}; ${advice}`);
  }
}

function functionOf(
  given: Readonly<Record<string, unknown>>,
  key: "read" | "write" | "checkRead" | "checkWrite",
): (argument: unknown) => unknown {
  const value = given[key];
  if (typeof value !== "function") throw fault(`${key} is not a function`);
  // Of one that only returns a promise, every body fails.
  if (value.constructor.name === "AsyncFunction") {
    throw fault(`${key} is asynchronous: a codec is synchronous`);
  }
  return value as (argument: unknown) => unknown;
}

function fault(message: string): AgentError {
  return new AgentError("ERR_HANDLER_MODULE", message);
}
