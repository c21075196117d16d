import type { AgentError } from "../../base/errors.ts";
import type { BodyPlan } from "../../wire/mucp/message.ts";

/** Who takes the body of the message at hand. */
export interface Receiver {
  readonly plan: BodyPlan;
  receive(body: Uint8Array): void;
  /** The message can't be completed. Returns whether that has been answered, or needs no answer. */
  refuse(error: AgentError): boolean;
}
