/**
 * What a chain of trust updates is worth to a device that has the whole of it: who signed each, what it
 * follows, and whether it counts now. The same rules as the device's, told for each line. Pure.
 */
import { certificateView } from "../../agent/certificate-views.ts";
import type { FleetKey } from "../../identity/time/time-statement.ts";
import { parseTrustBundle } from "../../identity/trust-bundle.ts";
import {
  ANY,
  bundleDigest,
  type SignedTrustUpdate,
  verifyTrustUpdate,
} from "../../rotation/trust-update.ts";
import type { CertificateView } from "../../sidecar/certificate-operations.ts";

/** `first`: the bundle before it is not known here. */
type Link = "follows" | "any" | "first" | "gap" | "fork" | "twice";

export interface UpdateReview {
  readonly sequence: number;
  readonly device: string;
  readonly epoch: string;
  /** Id of the key that it names. */
  readonly key: string;
  readonly signature: "good" | "bad-signature" | "unknown-key";
  readonly link: Link;
  readonly previous: string;
  /** Digest of its bundle, which the next one names. */
  readonly digest: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly dates: "in-date" | "not-yet" | "ended";
  readonly authorities: readonly CertificateView[];
}

/**
 * @param updates By sequence, as `parseTrustUpdates` gives them.
 * @param from What devices trust before the first; `undefined` when that is not known.
 */
export function reviewChain(
  updates: readonly SignedTrustUpdate[],
  keys: readonly FleetKey[],
  from: string | undefined,
  nowMs: number,
): readonly UpdateReview[] {
  let before: { readonly sequence: number | undefined; readonly digest: string } | undefined =
    from === undefined ? undefined : { sequence: undefined, digest: bundleDigest(from) };
  return updates.map((update) => {
    const { sequence, device, epoch, key, previous, bundle, notBefore, notAfter } = update;
    const digest = bundleDigest(bundle);
    const link = linkOf(update, before);
    before = { sequence, digest };
    return {
      ...{ sequence, device, epoch, key, previous, digest, notBefore, notAfter, link },
      signature: verifyTrustUpdate(update, keys),
      dates: nowMs < notBefore ? "not-yet" : nowMs > notAfter ? "ended" : "in-date",
      authorities: parseTrustBundle(bundle).map(certificateView),
    };
  });
}

function linkOf(
  { sequence, previous }: SignedTrustUpdate,
  before: { readonly sequence: number | undefined; readonly digest: string } | undefined,
): Link {
  if (before?.sequence === sequence) return "twice";
  if (previous === ANY) return "any";
  if (before === undefined) return "first";
  if (before.sequence !== undefined && sequence !== before.sequence + 1) return "gap";
  return previous === before.digest ? "follows" : "fork";
}

/** What is wrong with one, in words; `undefined` for nothing. */
export function faultOf(review: UpdateReview): string | undefined {
  return signatureFault(review) ?? linkFault(review);
}

function signatureFault({ signature, key }: UpdateReview): string | undefined {
  if (signature === "bad-signature") return `the key ${key} did not sign it`;
  if (signature === "unknown-key") return `it names the key ${key}, which was not given`;
  return undefined;
}

/** Of its place in the chain alone. */
export function linkFault({ link, sequence }: UpdateReview): string | undefined {
  if (link === "gap") return `those before ${sequence} are missing: devices refuse it`;
  if (link === "fork") return "it follows another bundle than the one before it: devices refuse it";
  if (link === "twice") return "another has the same number: devices take the first";
  return undefined;
}
