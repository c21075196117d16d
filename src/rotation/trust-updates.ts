/**
 * Judges signed trust updates and puts them in force. What was taken is kept as a note of the store, so that
 * no older one counts again.
 *
 * The old authorities stay for the overlap, and longer when the device's own certificate needs them: until
 * it has been renewed under the new ones. The note is written after the bundle is in force; a power cut
 * between the two takes the same update once more, which changes nothing.
 */
import * as v from "valibot";
import { AgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { Turns } from "../base/turns.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { formatNote, parseNote } from "../identity/store/json-note.ts";
import type { FleetKey } from "../identity/time/time-statement.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { TrustReplacement } from "./rotation-ports.ts";
import type { Rotator } from "./rotator.ts";
import { bundleDigest, parseTrustUpdates, type SignedTrustUpdate } from "./trust-update.ts";
import { judgeTrustUpdates, type TrustPosition, type TrustVerdict } from "./trust-update-chain.ts";

export const TRUST_NOTE = "trust-position";

const shape = v.object({
  sequence: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  digest: v.string(),
  /** Of the last one that was taken, PEM. */
  bundle: v.optional(v.string()),
});

export interface TrustUpdatesPorts {
  readonly store: CertificateStore;
  readonly rotator: Pick<Rotator, "replaceTrust">;
  readonly keys: () => readonly FleetKey[];
  /** The name in the device's certificate. */
  readonly device: () => string | undefined;
  readonly time: () => TimeView;
  /** For how long authorities that go still count, ms. */
  readonly overlapMs: () => number;
  /** The roots that are trusted now, for whoever pins them: the issuer. PEM. */
  readonly onTaken: (bundlePem: string) => Promise<void>;
  readonly log: Logger;
}

export interface TrustUpdateOutcome {
  /** `waiting`: good, and on the disk; why it is not in force yet is in the words. */
  readonly outcome: "taken" | "known" | "waiting";
  /** Of the last update that counts now. */
  readonly sequence: number;
  /** How many of the chain were gone through. */
  readonly steps: number;
  readonly words: string;
}

export class TrustUpdates {
  readonly #ports: TrustUpdatesPorts;
  readonly #turns = new Turns();

  constructor(ports: TrustUpdatesPorts) {
    this.#ports = ports;
  }

  /**
   * Takes what a file of updates holds, as one change.
   *
   * @throws AgentError `ERR_TRUST_UPDATE` with the reason, `ERR_IDENTITY_NONE` for an empty store;
   *   `ERR_CERT_REFUSED`, `ERR_STORE_*`: nothing has changed.
   */
  take(text: string): Promise<TrustUpdateOutcome> {
    return this.#turns.take(() => this.#take(text));
  }

  /** Of the last update that was taken; 0 for none. */
  async sequence(): Promise<number> {
    return (await this.#position())?.sequence ?? 0;
  }

  /**
   * What becomes of a file of updates here and now; changes nothing.
   *
   * @throws AgentError `ERR_TRUST_UPDATE` when it can't be read, `ERR_IDENTITY_NONE` for an empty store,
   *   `ERR_STORE_CORRUPT`.
   */
  async judge(text: string): Promise<TrustVerdict> {
    return (await this.#judge(text)).verdict;
  }

  async #judge(text: string) {
    const { store, keys, device, time } = this.#ports;
    const { current } = store;
    if (current === undefined) {
      const words = "the store is empty: there is no identity that the trust bundle could be for";
      throw new AgentError("ERR_IDENTITY_NONE", words);
    }
    const kept = await this.#position();
    const position = kept ?? { sequence: 0, digest: bundleDigest(current.trustBundlePem) };
    const verdict = judgeTrustUpdates(parseTrustUpdates(text), {
      ...{ position, keys: keys(), device: device(), epoch: store.epoch, time: time() },
    });
    return { kept, position, verdict };
  }

  async #take(text: string): Promise<TrustUpdateOutcome> {
    const { store, rotator, overlapMs, onTaken, log } = this.#ports;
    const { kept, position, verdict } = await this.#judge(text);
    if (verdict.kind === "refused" || verdict.kind === "not-yet-valid") {
      const cause = verdict.kind === "refused" ? verdict.reason : verdict.kind;
      throw new AgentError("ERR_TRUST_UPDATE", verdict.words, { fields: { cause } });
    }
    if (verdict.kind === "known") {
      return { outcome: "known", sequence: position.sequence, steps: 0, words: verdict.words };
    }
    const { update, steps, chain } = verdict;
    const { sequence, bundle } = update;
    // Where the chain begins must outlive a power cut after the bundle: it is then no longer in force.
    if (kept === undefined) await store.writeNote(TRUST_NOTE, formatNote(position));
    const leave = whatLeaves(chain, this.#ports.time().nowMs, overlapMs());
    await rotator.replaceTrust(bundle, { ...leave, keepNeeded: true });
    const taken = { sequence, digest: bundleDigest(bundle) };
    await store.writeNote(TRUST_NOTE, formatNote({ ...taken, bundle }));
    await onTaken(bundle);
    log.emit("trust.update.applied", { sequence, steps, key: update.key });
    const words = `trust update ${sequence} is in force`;
    return { outcome: "taken", sequence, steps, words };
  }

  /** @throws AgentError `ERR_STORE_CORRUPT`: without it a replay could not be told. */
  #position(): Promise<TrustPosition | undefined> {
    return readPosition(this.#ports.store);
  }
}

/**
 * The bundle of the last update that was taken, PEM, for whoever pins roots; `undefined` without any.
 *
 * @throws AgentError `ERR_STORE_CORRUPT`.
 */
export async function takenBundle(
  store: Pick<CertificateStore, "readNote">,
): Promise<string | undefined> {
  return (await readPosition(store))?.bundle;
}

async function readPosition(
  store: Pick<CertificateStore, "readNote">,
): Promise<v.InferOutput<typeof shape> | undefined> {
  const bytes = await store.readNote(TRUST_NOTE);
  if (bytes === undefined) return undefined;
  const position = parseNote(shape, bytes);
  if (position !== undefined) return position;
  throw new AgentError("ERR_STORE_CORRUPT", `this version can't read the note ${TRUST_NOTE}`);
}

/**
 * What goes with the roots in force, and after how long, for a device that takes several updates in one go,
 * or takes one early since nobody vouches for its clock. It trusts what one trusts that was there all the time:
 * peers may still come from the roots of an update in between, whose overlap is not over; and no root
 * leaves before the update begins that drops it.
 *
 * @param nowMs Unix ms, with an early update behind its beginning.
 */
function whatLeaves(
  chain: readonly SignedTrustUpdate[],
  nowMs: number,
  overlapMs: number,
): Pick<TrustReplacement, "overlapMs" | "earlyMs" | "alsoLeavingPem"> {
  const between = chain.slice(0, -1).filter((_, index) => {
    const { notBefore = 0 } = chain[index + 1] ?? {};
    return notBefore + overlapMs > nowMs;
  });
  return {
    overlapMs,
    earlyMs: Math.max(0, (chain.at(-1)?.notBefore ?? 0) - nowMs),
    alsoLeavingPem: between.map(({ bundle }) => bundle).join("\n"),
  };
}
