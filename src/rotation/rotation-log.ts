/** What a rotation says in the log; never a key or a certificate, only names, numbers and reasons. */
import { errorText, isAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { formatMoment } from "../identity/span-words.ts";
import type { Generation } from "../identity/store/generation.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";
import { CandidateRefused } from "./candidate-refused.ts";
import type { Look } from "./probation.ts";
import type { Snapshot } from "./snapshot.ts";

/** Subject and SHA-256 by SHA-256. */
function authorities(bundlePem: string): ReadonlyMap<string, string> {
  return new Map(
    parseTrustBundle(bundlePem).map(({ summary: { subject, fingerprint } }) => [
      fingerprint,
      `${subject}, SHA-256 ${fingerprint}`,
    ]),
  );
}

export class RotationLog {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  rotated(before: Generation | undefined, { generation, leaf }: Snapshot): void {
    const { number, digest, origin } = generation;
    this.#log.emit("certificate.rotated", {
      generation: number,
      old_generation: before?.number,
      digest,
      serial: leaf.summary.serial,
      subject: leaf.summary.subject,
      not_after: formatMoment(leaf.summary.notAfter),
      how: origin,
    });
    if (before !== undefined) this.#trustChanged(before, generation);
  }

  /** Whoever reads the log later must find when the device began to trust an authority, and on whose word. */
  #trustChanged(before: Generation, { number, origin, trustBundlePem }: Generation): void {
    const [old, now] = [authorities(before.trustBundlePem), authorities(trustBundlePem)];
    const added = [...now].filter(([id]) => !old.has(id)).map(([, words]) => words);
    const removed = [...old].filter(([id]) => !now.has(id)).map(([, words]) => words);
    if (added.length + removed.length === 0) return;
    this.#log.emit("trust.changed", { generation: number, how: origin, added, removed });
  }

  refused(error: unknown): void {
    if (!(error instanceof CandidateRefused)) return;
    const reasons = error.reasons.map(({ code, words, fix }) => ({ code, words, fix }));
    this.#log.emit("certificate.refused", { reasons });
  }

  storeFailed(error: unknown): void {
    const code = isAgentError(error) ? error.code : "ERR_STORE_IO";
    const reasons = [{ code, words: errorText(error) }];
    this.#log.emit("certificate.refused", { reasons });
  }

  unwritten(error: unknown): void {
    const code = isAgentError(error) ? error.code : "ERR_STORE_IO";
    this.#log.emit("certificate.unwritten", { code, reason: errorText(error) });
  }

  unproven(number: number, { peers }: Look): void {
    if (peers.some(({ outcome }) => outcome.kind === "accepted")) return;
    const words = peers.map(({ peer, outcome }) => `${peer}: ${outcome.words}`).join("; ");
    this.#log.emit("certificate.unproven", { generation: number, reason: words });
  }
}
