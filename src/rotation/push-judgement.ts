/**
 * Whether what is pushed can ever go in force: asked before it takes the place of one that waits. What time
 * heals (a certificate that begins later, a clock, a full disk) is no objection; the worker judges it again.
 */
import { AgentError, isAgentError } from "../base/errors.ts";
import type { KeyProvider, KeyReference } from "../identity/keys/key-provider.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { Reason } from "../identity/validator/candidate-report.ts";
import { CandidateRefused, knownBad, wrongEpoch } from "./candidate-refused.ts";
import { isOfDates } from "./dates-in-doubt.ts";
import { wasTakenBack } from "./identity-state.ts";
import { canPass, isPassing } from "./install-failure.ts";
import { type InstallNote, leafOf } from "./install-note.ts";
import type { Rotator } from "./rotator.ts";

export interface PushJudgementPorts {
  readonly store: CertificateStore;
  readonly keys: Pick<KeyProvider, "open">;
  readonly rotator: Pick<Rotator, "check">;
  readonly time: { view(): TimeView };
}

/**
 * @param key Of the certificate.
 * @throws CandidateRefused (`ERR_CERT_REFUSED`) with every reason, those included that would pass;
 *   AgentError `ERR_IMPORT_INVALID` on an empty store without a trust bundle, `ERR_KEY_*`.
 */
export async function assertCanPass(
  { store, keys, rotator, time }: PushJudgementPorts,
  note: InstallNote,
  key: KeyReference,
): Promise<void> {
  const { chainPem, force, epoch } = note;
  const { current } = store;
  const trustBundlePem = note.trustBundlePem ?? current?.trustBundlePem;
  if (trustBundlePem === undefined) {
    const words = "the store is empty, and no trust bundle came with it: add --ca FILE";
    throw new AgentError("ERR_IMPORT_INVALID", words);
  }
  try {
    await keys.open(key);
  } catch (error) {
    // The place that keys are sealed by is out of reach: nothing can be judged yet.
    if (isAgentError(error) && isPassing(error)) return;
    throw error;
  }
  const report = await rotator.check({ key, chainPem, trustBundlePem }, force);
  const reasons: Reason[] = [...report.reasons];
  if (epoch !== undefined && epoch !== store.epoch) reasons.push(wrongEpoch(epoch, store.epoch));
  const digest = report.material?.digest;
  const bad = force
    ? undefined
    : store.history().find((old) => old.digest === digest && wasTakenBack(old));
  if (bad !== undefined) reasons.push(knownBad(bad));
  // With the chain in force only the trust changes; that its dates are over is so anyway.
  const isTrustAlone = chainPem === current?.chainPem && key.spkiSha256 === current.key.spkiSha256;
  const against = isTrustAlone ? reasons.filter(({ code }) => !isOfDates(code)) : reasons;
  const endsAt = leafOf(note)?.summary.notAfter ?? 0;
  const refused = new CandidateRefused(against);
  if (!canPass(refused, time.view(), endsAt)) throw refused;
}
