/**
 * The policy in force, which a reload replaces while connections are open: their next call is decided
 * by the new one. What a policy remembers of peers belongs to it and goes with it, so there is nothing
 * to invalidate.
 */
import type { Principal } from "../base/principal.ts";
import type { Decision, Policy, Standing, Target } from "./policy.ts";

export class PolicyInForce implements Policy {
  readonly #listeners: (() => void)[] = [];
  #policy: Policy;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  get current(): Policy {
    return this.#policy;
  }

  replace(policy: Policy): void {
    this.#policy = policy;
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  decide(principal: Principal, target: Target): Decision {
    return this.#policy.decide(principal, target);
  }

  standingOf(principal: Principal): Standing {
    return this.#policy.standingOf(principal);
  }
}
