/** Which update comes next in a chain. Pure. */
import { AgentError } from "../../base/errors.ts";
import { splitPem } from "../../identity/pem.ts";
import { formatMoment } from "../../identity/span-words.ts";
import type { FleetSigner } from "../../identity/time/time-statement.ts";
import { isAnchor, parseTrustBundle } from "../../identity/trust-bundle.ts";
import {
  ANY,
  bundleDigest,
  formatTrustUpdate,
  parseTrustUpdates,
  type SignedTrustUpdate,
  signTrustUpdate,
  type TrustUpdate,
  verifyTrustUpdate,
} from "../../rotation/trust-update.ts";
import { faultOf, linkFault, reviewChain } from "./chain-review.ts";

export interface NextUpdate {
  /** PEM, as the operator has it. */
  readonly bundlePem: string;
  /** The chain so far, by sequence. */
  readonly chain: readonly SignedTrustUpdate[];
  /** What devices trust before the first update; `any` stands on its own. */
  readonly previous:
    | { readonly kind: "chain" | "any" }
    | { readonly kind: "from"; readonly pem: string };
  readonly device: string;
  readonly epoch: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * The line that follows, and what a person should know about it.
 *
 * @throws AgentError `ERR_TRUST_UPDATE` for a chain that devices would refuse, or an update that they could
 *   not read; `ERR_CERT_INVALID` for a bundle that is none.
 */
export function nextUpdate(
  next: NextUpdate,
  signer: FleetSigner,
  nowMs: number,
): {
  readonly update: SignedTrustUpdate;
  readonly line: string;
  readonly remarks: readonly string[];
} {
  const { chain, previous, device, epoch, notBefore, notAfter } = next;
  const remarks: string[] = [];
  for (const review of reviewChain(chain, [signer.key], undefined, nowMs)) {
    const { sequence, signature, key } = review;
    if (signature === "unknown-key") {
      remarks.push(`update ${sequence} of the chain was signed by another key, ${key}`);
    }
    const fault = signature === "bad-signature" ? faultOf(review) : linkFault(review);
    if (fault !== undefined) {
      throw new AgentError("ERR_TRUST_UPDATE", `the chain is broken at ${sequence}: ${fault}`);
    }
  }
  const bundle = pemOf(next.bundlePem, nowMs, remarks);
  const last = chain.at(-1);
  if (last !== undefined && bundleDigest(last.bundle) === bundleDigest(bundle)) {
    remarks.push(`it has the same authorities as update ${last.sequence}: only the dates are new`);
  }
  const before = previous.kind === "from" ? previous.pem : last?.bundle;
  const unsigned: TrustUpdate = {
    ...{ device, epoch, bundle, notBefore, notAfter },
    sequence: (last?.sequence ?? 0) + 1,
    previous: previous.kind === "any" || before === undefined ? ANY : bundleDigest(before),
  };
  if (previous.kind === "any") {
    remarks.push("it stands on its own: a device takes it whatever it trusts now");
  }
  const update = signTrustUpdate(unsigned, signer);
  const line = formatTrustUpdate(update);
  // As a device reads it: what it could not take must not leave this machine.
  const [read] = parseTrustUpdates(line);
  if (read === undefined || verifyTrustUpdate(read, [signer.key]) !== "good") {
    throw new TypeError("what was signed does not verify");
  }
  return { update, line, remarks };
}

/** Each authority once, without what stands around it. */
function pemOf(text: string, nowMs: number, remarks: string[]): string {
  const all = new Map<string, string>();
  for (const certificate of parseTrustBundle(text)) {
    const { subject, fingerprint, notAfter } = certificate.summary;
    if (!isAnchor(certificate)) {
      const words = `"${subject}" in the bundle is not an authority`;
      const fix = "leave it out: who is trusted must be a certificate that may sign others";
      throw new AgentError("ERR_CERT_INVALID", words, { fields: { fix } });
    }
    if (all.has(fingerprint)) continue;
    if (notAfter <= nowMs) remarks.push(`"${subject}" ended ${formatMoment(notAfter)}`);
    all.set(fingerprint, certificate.x509.toString());
  }
  if (splitPem(text).some(({ label }) => label.includes("PRIVATE KEY"))) {
    remarks.push("the file of the bundle holds a private key; it was left out");
  }
  return [...all.values()].join("");
}
