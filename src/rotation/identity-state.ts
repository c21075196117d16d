/**
 * How far the identity in force has got, in the words that `status` shows.
 *
 * | state | means | next |
 * |---|---|---|
 * | `UNPROVEN` | In force, its handshake with itself went well, but no probe peer has accepted it: none is configured, none answers, or none asks for certificates. Not an error, and not a success. | a peer accepts it: `TRIALLED`; peers refuse it and still take the old: `ROLLED_BACK` |
 * | `TRIALLED` | At least one probe peer accepted it since it went in force; probation goes on with the others. | all accepted it, or the window is over: `ACTIVE`; a peer refuses it and still takes the old: `ROLLED_BACK` |
 * | `ACTIVE` | A probe peer accepted it and probation is over. | a new generation |
 * | `ROLLED_BACK` | A newer generation failed; this one is in force again. The newer is kept, marked bad, with its reasons. | the next installation |
 */
import type { Generation } from "../identity/store/generation.ts";

export type IdentityState = "ACTIVE" | "TRIALLED" | "UNPROVEN" | "ROLLED_BACK";

/** Why a generation was taken back after it had been in force; kept with it. */
export const FALL_BACK_CODES = {
  /** A peer refuses it and takes the one before. */
  refused: "peer-refuses-it",
  /** Its trust bundle does not vouch for a peer that the one before vouches for. */
  distrusts: "peer-not-trusted-by-it",
  /** A part of the agent could not take it over. */
  publish: "publish-failed",
  /** Its key could not be opened at start. */
  key: "key-unusable",
} as const;

/** Why a generation never went in force: it could not shake hands with itself. */
export const SELF_HANDSHAKE_FAILED = "self-handshake-failed";

const TAKEN_BACK: ReadonlySet<string> = new Set(Object.values(FALL_BACK_CODES));

/**
 * @param history of the store; the generation that was taken back, if any, is newer than `current`.
 * @param onProbation whether peers are still being asked about `current`.
 */
export function identityState(
  current: Generation,
  history: readonly Generation[],
  onProbation: boolean,
): IdentityState {
  if (takenBack(current, history) !== undefined) return "ROLLED_BACK";
  if (current.mark !== "trialled") return "UNPROVEN";
  return onProbation ? "TRIALLED" : "ACTIVE";
}

/** The newest generation that was in force after `current` and was taken back. */
export function takenBack(
  current: Generation,
  history: readonly Generation[],
): Generation | undefined {
  return history
    .filter((generation) => generation.number > current.number && wasTakenBack(generation))
    .toSorted((a, b) => b.number - a.number)[0];
}

/**
 * Whether it is bad for what it is: then nothing is tried again with its certificate or its key. One that was
 * given up since the disk or the clock was not ready for it may come again.
 */
export function hasFailed(generation: Generation): boolean {
  const { mark, reasons } = generation;
  if (wasTakenBack(generation)) return true;
  return mark === "bad" && reasons.some(({ code }) => code === SELF_HANDSHAKE_FAILED);
}

/** Bad because it failed in force; one that was only given up before (a full disk) may come again. */
export function wasTakenBack({ mark, reasons }: Generation): boolean {
  return mark === "bad" && reasons.some(({ code }) => TAKEN_BACK.has(code));
}
