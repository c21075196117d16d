/**
 * Whether an identity may go in force, or may be gone back to: key, validator, revocation, and a handshake
 * with itself. Decides; changes nothing.
 */
import { errorText, isAgentError } from "../base/errors.ts";
import type { KeyProvider } from "../identity/keys/key-provider.ts";
import { materialDigest } from "../identity/material-digest.ts";
import type { Generation, GenerationContent } from "../identity/store/generation.ts";
import type { TlsMaterial } from "../identity/tls-material.ts";
import type {
  Candidate,
  CandidateReport,
  HandshakeTrial,
  Reason,
} from "../identity/validator/candidate-report.ts";
import { CandidateRefused } from "./candidate-refused.ts";
import { isOfDates } from "./dates-in-doubt.ts";
import { SELF_HANDSHAKE_FAILED } from "./identity-state.ts";
import { openSnapshot, type Snapshot } from "./snapshot.ts";
import { droppedFrom } from "./trust-overlap.ts";

/** What somebody wants to put in force: a key that its provider holds already, and what belongs to it. */
export type IdentityContent = Omit<GenerationContent, "origin">;

/**
 * Why it is judged: `install` compares with what is in force (not older, same device); `answered` does, too,
 * what an authority made in answer to us, perhaps before this start; `forced`: the operator insists, so that
 * comparison is left out; `fall-back` asks only whether it is any good now.
 */
export type JudgePurpose = "install" | "answered" | "forced" | "fall-back";

export interface JudgePorts {
  readonly keys: KeyProvider;
  /** The validator, with its context. Never rejects for what is wrong with the candidate. */
  readonly validate: (candidate: Candidate, purpose: JudgePurpose) => Promise<CandidateReport>;
  /** What revocation lists, responders and deny list have against a chain of our own; empty: nothing. */
  readonly revoked: (chainPem: string, trustBundlePem: string) => Promise<readonly Reason[]>;
  readonly trial: HandshakeTrial;
}

export interface Judged {
  readonly report: CandidateReport;
  /** With the chain in order. */
  readonly content: IdentityContent;
  readonly digest: string;
}

export class CandidateJudge {
  readonly #ports: JudgePorts;

  constructor(ports: JudgePorts) {
    this.#ports = ports;
  }

  /** Everything against a candidate, and what deserves a look; opens the key, writes nothing. */
  async report(content: IdentityContent, purpose: JudgePurpose): Promise<CandidateReport> {
    const { keys, validate, revoked } = this.#ports;
    const { chainPem, trustBundlePem } = content;
    let report: CandidateReport;
    try {
      const { tlsKey, publicKey } = await keys.open(content.key);
      report = await validate({ chainPem, trustBundlePem, tlsKey, publicKey }, purpose);
    } catch (error) {
      if (!isAgentError(error)) throw error;
      const reasons = [{ code: "key-unusable", words: error.message, fix: error.hint }];
      return { reasons, warnings: [], leaf: undefined, material: undefined };
    }
    const { material } = report;
    if (material === undefined) return report;
    const known = await revoked(material.chainPem, material.trustBundlePem);
    const reasons = [...report.reasons, ...known];
    return { ...report, reasons };
  }

  /**
   * @param inForce A candidate with its key and chain changes only what is trusted. That its time is over, or
   *   has not come by this clock, is then no reason to refuse, as it is so anyway: a device whose certificate
   *   has ended needs the new roots before it can be given another one.
   * @throws CandidateRefused with every reason.
   */
  async judge(
    candidate: IdentityContent,
    purpose: JudgePurpose,
    inForce?: IdentityContent,
  ): Promise<Judged> {
    const report = await this.report(candidate, purpose);
    const same =
      inForce?.chainPem === candidate.chainPem &&
      inForce.key.spkiSha256 === candidate.key.spkiSha256;
    if (same && report.reasons.length > 0) {
      const anyway = await this.report(inForce, purpose);
      const dates = anyway.reasons.map(({ code }) => code).filter(isOfDates);
      return this.#judgedBeside(candidate, report, dates);
    }
    const { reasons, material } = report;
    if (reasons.length > 0) throw new CandidateRefused(reasons);
    if (material === undefined) throw new TypeError("a report without reason has material");
    const { chainPem, trustBundlePem } = material;
    const digest = materialDigest({ chainPem, trustBundlePem });
    if (digest !== material.digest) {
      throw new CandidateRefused([localReason("digest-mismatch", "what was validated changed")]);
    }
    return { report, content: { key: candidate.key, chainPem, trustBundlePem }, digest };
  }

  #judgedBeside(
    content: IdentityContent,
    { reasons, warnings, ...report }: CandidateReport,
    anyway: readonly string[],
  ): Judged {
    const fresh = reasons.filter(({ code }) => !anyway.includes(code));
    if (fresh.length > 0) throw new CandidateRefused(fresh);
    const { key, chainPem, trustBundlePem } = content;
    return {
      report: { ...report, reasons: [], warnings: [...reasons, ...warnings] },
      content: { key, chainPem, trustBundlePem },
      digest: materialDigest({ chainPem, trustBundlePem }),
    };
  }

  /**
   * Opens what stands in the store and lets it shake hands with itself.
   *
   * @param digest Of what was validated.
   * @throws CandidateRefused
   */
  async tryOut(generation: Generation, digest: string): Promise<Snapshot> {
    if (generation.digest !== digest) {
      const words = `${digest} was validated, and ${generation.digest} stands in the store`;
      throw new CandidateRefused([localReason("digest-mismatch", words)]);
    }
    let snapshot: Snapshot;
    try {
      snapshot = await openSnapshot(generation, this.#ports.keys);
    } catch (error) {
      throw new CandidateRefused([localReason("key-unusable", errorText(error))]);
    }
    const { chainPem, trustBundlePem, key: tlsKey } = snapshot.material;
    const outcome = await this.#ports.trial.run({ chainPem, trustBundlePem, tlsKey });
    if (outcome.kind === "failed") {
      const words = `it can't shake hands with itself (${outcome.step}: ${outcome.cause})`;
      throw new CandidateRefused([localReason(SELF_HANDSHAKE_FAILED, words)]);
    }
    return snapshot;
  }

  /**
   * What forbids going back to `old`; empty when nothing does.
   *
   * @param distrusted What is in force, when its trust bundle was replaced on purpose: going back must not
   *   bring an authority back that was dropped, and the old chain must verify under what is trusted now.
   */
  async objections(
    { generation }: Snapshot,
    distrusted: TlsMaterial | undefined,
  ): Promise<readonly Reason[]> {
    const { key, chainPem, trustBundlePem, mark, reasons } = generation;
    if (mark === "bad") {
      return reasons.map(({ code, words }) => ({ code, words, fix: "import another certificate" }));
    }
    const dropped =
      distrusted === undefined ? [] : droppedFrom(trustBundlePem, distrusted.trustBundlePem);
    if (dropped.length > 0) {
      const words = `it trusts ${dropped.length} authorities that were dropped on purpose`;
      return [{ code: "distrusted", words, fix: "import a certificate that peers accept" }];
    }
    // As in force: what is trusted no longer must not vouch for it either.
    const bundle = distrusted?.trustBundlePem ?? trustBundlePem;
    const content = { key, chainPem, trustBundlePem: bundle };
    return (await this.report(content, "fall-back")).reasons;
  }
}

function localReason(code: string, words: string): Reason {
  return {
    code,
    words,
    fix: "look at `microedge doctor` and the agent's log, then import it again",
  };
}
