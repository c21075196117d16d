import type { AgentError } from "../../base/errors.ts";
import type { OpenedRequest } from "../../wire/codec/codec.ts";
import type { BodyPlan } from "../../wire/mucp/message.ts";

/** Who takes the body of the message at hand. */
export interface Receiver {
  readonly plan: BodyPlan;
  /** @param opened `body`, if it has been opened already to find the endpoint. */
  receive(body: Uint8Array, opened?: OpenedRequest): void;
  /** The message can't be completed. Returns whether that has been answered, or needs no answer. */
  refuse(error: AgentError): boolean;
}
