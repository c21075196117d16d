/**
 * An issuer that looks for announced roots whenever it is asked to renew: the next root has to be known
 * before the authority goes over to it, and a device that renews is awake often enough for that.
 */
import type { Issued, Issuer } from "../identity/issuer.ts";
import { IssuerError } from "../identity/issuer.ts";

/** @param issuer One with `trustBundle`; any other comes back as it is. */
export function withAnnouncedRoots(issuer: Issuer): Issuer {
  if (issuer.trustBundle === undefined) return issuer;
  const look = async (signal: AbortSignal): Promise<void> => {
    try {
      await issuer.trustBundle?.(signal);
    } catch (error) {
      // Who can't be reached now gives no certificate either, and is not asked twice. Any other answer is
      // no reason to go without a certificate.
      if (!(error instanceof IssuerError) || error.code === "ERR_ISSUER_UNREACHABLE") throw error;
    }
  };
  return {
    kind: issuer.kind,
    assertAskable: (request) => issuer.assertAskable?.(request),
    enroll: (request, signal) => issuer.enroll(request, signal),
    async renew(own, signal): Promise<Issued> {
      await look(signal);
      return issuer.renew(own, signal);
    },
    async rekey(own, next, csrPem, signal): Promise<Issued> {
      await look(signal);
      return issuer.rekey(own, next, csrPem, signal);
    },
    trustBundle: (signal) => issuer.trustBundle?.(signal) ?? Promise.resolve(""),
  };
}
