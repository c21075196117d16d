/**
 * Which updates of a file count here and now, and how far they lead. Each must be signed, be for this device,
 * follow the one before it, and the last must be in date; those before it need not: a device that was away
 * takes a chain whose links have long ended. Pure.
 */
import { formatMoment } from "../identity/span-words.ts";
import type { FleetKey } from "../identity/time/time-statement.ts";
import { isTimeTrusted, type TimeView } from "../identity/time/time-view.ts";
import { ANY, bundleDigest, type SignedTrustUpdate, verifyTrustUpdate } from "./trust-update.ts";

/** How far this device has come. */
export interface TrustPosition {
  /** Of the last update that was taken; 0 for none. */
  readonly sequence: number;
  /** Digest of the bundle that the next update must name. */
  readonly digest: string;
}

export interface TrustContext {
  readonly position: TrustPosition;
  readonly keys: readonly FleetKey[];
  /** The name in the device's certificate; `undefined` without one. */
  readonly device: string | undefined;
  readonly epoch: string;
  readonly time: TimeView;
}

export type TrustRefusal =
  | "no-key"
  | "unknown-key"
  | "bad-signature"
  | "wrong-device"
  | "wrong-epoch"
  | "gap"
  | "fork"
  | "out-of-date";

export interface FollowedChain {
  /** The last, which is to be in force. */
  readonly update: SignedTrustUpdate;
  readonly steps: number;
  /** All that lead to it from where the device is. */
  readonly chain: readonly SignedTrustUpdate[];
}

export type TrustVerdict =
  | ({ readonly kind: "take" } & FollowedChain)
  /** Good, but its time has not come; until then those of `begun` count, if there are any. */
  | ({
      readonly kind: "not-yet-valid";
      readonly words: string;
      readonly begun: FollowedChain | undefined;
    } & FollowedChain)
  /** Nothing newer in it: a file that is read again, or a replay. */
  | { readonly kind: "known"; readonly words: string }
  | { readonly kind: "refused"; readonly reason: TrustRefusal; readonly words: string };

/** @param updates By sequence. */
export function judgeTrustUpdates(
  updates: readonly SignedTrustUpdate[],
  context: TrustContext,
): TrustVerdict {
  const { keys } = context;
  if (keys.length === 0) {
    return refused("no-key", "trust.update_keys names no key; trust updates don't count");
  }
  // Signatures first: nobody without a key learns anything from the order of the others.
  const judged = updates.map((update) => {
    return { update, signature: verifyTrustUpdate(update, keys) };
  });
  // Of what stands before one that is good on its own nothing is needed: a key that is no longer configured
  // may have signed it. It is left out, never trusted.
  const alone = judged.findLastIndex(
    ({ update, signature }) => update.previous === ANY && signature === "good",
  );
  const counted = judged.filter(({ signature }, at) => at >= alone || signature === "good");
  for (const { update, signature } of counted) {
    const which = `update ${update.sequence}`;
    if (signature === "unknown-key") {
      const words = `${which} names the key ${update.key}, which is not in trust.update_keys`;
      return refused(signature, words);
    }
    if (signature === "bad-signature") {
      return refused(signature, `the key ${update.key} did not sign ${which}`);
    }
  }
  const newer = counted
    .map(({ update }) => update)
    .filter(({ sequence }) => sequence > context.position.sequence);
  if (newer.length === 0) {
    const words = `update ${context.position.sequence} was taken already, and the file has none that is newer`;
    return { kind: "known", words };
  }
  const verdict = follow(newer, context);
  if (verdict.kind !== "not-yet-valid") return verdict;
  // What is signed ahead must not hold back what counts today.
  const last = newer.findLastIndex(({ notBefore }) => !isTooEarly(notBefore, context.time));
  const before = last < 0 ? undefined : follow(newer.slice(0, last + 1), context);
  return { ...verdict, begun: before?.kind === "take" ? before : undefined };
}

function follow(newer: readonly SignedTrustUpdate[], context: TrustContext): TrustVerdict {
  const { device, epoch } = context;
  // The newest that stands on its own saves everything before it.
  const start = newer.findLastIndex(({ previous }) => previous === ANY);
  let { sequence, digest } = context.position;
  const chain: SignedTrustUpdate[] = [];
  for (const update of newer.slice(Math.max(0, start))) {
    const which = `update ${update.sequence}`;
    if (update.device !== ANY && update.device !== device) {
      return refused("wrong-device", `${which} is for "${update.device}"`);
    }
    if (update.epoch !== ANY && update.epoch !== epoch) {
      return refused("wrong-epoch", `${which} is for epoch ${update.epoch} of the store`);
    }
    if (update.sequence === sequence) continue;
    if (update.previous !== ANY && update.sequence !== sequence + 1) {
      const words = `${which} follows ${update.sequence - 1}, and this device has ${sequence}: the file must hold all from ${sequence + 1} on`;
      return refused("gap", words);
    }
    if (update.previous !== ANY && update.previous !== digest) {
      const words = `${which} follows another trust bundle than the one of update ${sequence} here`;
      return refused("fork", words);
    }
    sequence = update.sequence;
    digest = bundleDigest(update.bundle);
    chain.push(update);
  }
  const update = chain.at(-1);
  if (update === undefined) throw new TypeError("there is at least one newer update");
  return judgeDates({ update, steps: chain.length, chain }, context.time);
}

/** A clock that nobody vouches for is heard neither way: only what is proven refuses. */
function judgeDates(followed: FollowedChain, time: TimeView): TrustVerdict {
  const { notBefore, notAfter, sequence } = followed.update;
  const atLeast = isTimeTrusted(time) ? time.nowMs : time.floorMs;
  if (atLeast > notAfter) {
    const words = `update ${sequence} counted until ${formatMoment(notAfter)}: fetch a newer one`;
    return refused("out-of-date", words);
  }
  if (isTooEarly(notBefore, time)) {
    const words = `update ${sequence} counts from ${formatMoment(notBefore)} on`;
    return { kind: "not-yet-valid", ...followed, words, begun: undefined };
  }
  return { kind: "take", ...followed };
}

/** @param beginsAt Unix ms. */
export function isTooEarly(beginsAt: number, time: TimeView): boolean {
  return isTimeTrusted(time) && time.nowMs < beginsAt;
}

function refused(reason: TrustRefusal, words: string): TrustVerdict {
  return { kind: "refused", reason, words };
}
