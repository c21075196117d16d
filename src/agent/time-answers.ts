/**
 * What the command line may ask of trusted time.
 */
import { AgentError } from "../base/errors.ts";
import type { TimeChallenge } from "../identity/time/time-challenge.ts";
import type { TrustedTime } from "../identity/time/trusted-time.ts";
import type { StatementView, TimeOperations } from "../sidecar/time-api.ts";

export class TimeAnswers implements TimeOperations {
  readonly #time: Pick<TrustedTime, "challenge" | "applyStatement">;

  constructor(time: Pick<TrustedTime, "challenge" | "applyStatement">) {
    this.#time = time;
  }

  async challenge(): Promise<TimeChallenge> {
    return this.#time.challenge();
  }

  async apply(statement: string): Promise<StatementView> {
    const outcome = await this.#time.applyStatement(statement);
    if (outcome.kind === "refused") {
      const { reason, words } = outcome;
      throw new AgentError("ERR_TIME_STATEMENT", `${words} (${reason})`, {
        fields: { reason, fix: FIXES[reason] },
      });
    }
    const { floorMs, loweredFromMs } = outcome;
    return { floorMs, loweredFromMs };
  }
}

const AGAIN =
  "draw a challenge with `microedge time challenge` and have it signed within 10 minutes";

/** By the reasons of docs/time.md. */
const FIXES = {
  malformed: "hand over the statement as it was made: one JSON object, see docs/time.md",
  "no-fleet-key": "put the fleet's public key under time.fleet_keys, and restart the agent",
  "unknown-key": "have it signed by a key of time.fleet_keys",
  "bad-signature": "sign the five lines of the challenge exactly, see docs/time.md",
  "wrong-device": "have it made for this device: `microedge time challenge` shows its name",
  "wrong-epoch": AGAIN,
  "unknown-nonce": AGAIN,
  "used-nonce": AGAIN,
  "old-nonce": AGAIN,
  "before-build": "look at the clock of the machine that signs",
} as const;
