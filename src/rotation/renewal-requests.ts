/**
 * What a renewal asks of the authority: one request at a time with a limit, whose answer is kept before
 * anything else is done with it, and says what it proves of the time.
 */
import { createCertificateRequest } from "../identity/exchange/certificate-request.ts";
import { type Issued, IssuerError, type OwnIdentityForIssuer } from "../identity/issuer.ts";
import type { OpenKey } from "../identity/keys/key-provider.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";
import type { Intent } from "../queue/intent.ts";
import { issuedTimeClaim } from "./issued-time.ts";
import type { RenewalAnswers } from "./renewal-answer.ts";
import { isCutOff } from "./renewal-fault.ts";
import type { RenewalOutages, RenewalPorts } from "./renewal-ports.ts";
import type { Snapshot } from "./snapshot.ts";

/** For the request, whatever the issuer hangs in: a link with 2 s round trips needs seconds. */
const REQUEST_LIMIT_MS = 120_000;

/** Who asks, and for what. */
export interface Wish {
  readonly intent: Intent;
  /** With its certificate the authority is asked. */
  readonly own: Snapshot;
  readonly signal: AbortSignal;
}

export class RenewalRequests {
  readonly #ports: Pick<RenewalPorts, "store" | "issuer" | "time" | "clock">;
  readonly #answers: RenewalAnswers;
  readonly #outages: RenewalOutages;

  constructor(
    ports: Pick<RenewalPorts, "store" | "issuer" | "time" | "clock">,
    answers: RenewalAnswers,
    outages: RenewalOutages,
  ) {
    this.#ports = ports;
    this.#answers = answers;
    this.#outages = outages;
  }

  /** A certificate for the key in force. @throws IssuerError; the reason of `signal`. */
  forOwn({ intent, own, signal }: Wish): Promise<Issued> {
    const request = (limit: AbortSignal) => this.#ports.issuer.renew(forIssuer(own), limit);
    return this.#ask(request, this.#keep(intent, own.key), signal);
  }

  /** One for another key, with the names of the one in force. @throws As {@link forOwn}; AgentError `ERR_KEY_*`. */
  async forNew({ intent, own, signal }: Wish, key: OpenKey): Promise<Issued> {
    const { dnsNames, ipAddresses, uris } = own.leaf.names;
    const csrPem = await createCertificateRequest(key, {
      commonName: own.leaf.commonNames[0] ?? "",
      sans: { dns: dnsNames, ip: ipAddresses, uri: uris },
    });
    const request = (limit: AbortSignal) =>
      this.#ports.issuer.rekey(forIssuer(own), key, csrPem, limit);
    return this.#ask(request, this.#keep(intent, key), signal);
  }

  /**
   * The answer in hand for a key, if there is one that may still go in force. It is no earlier than when it
   * was made, which a device that has lost its clock since learns from it.
   */
  async inHand(intent: Intent, { reference }: OpenKey): Promise<Issued | undefined> {
    const kept = await this.#answers.find(intent, reference.spkiSha256);
    if (kept !== undefined) this.#claim(kept);
    return kept;
  }

  /** What is to be trusted with an answer: what is, and its root. */
  bundleWith({ rootPem }: Pick<Issued, "rootPem">): string {
    return withRoot(this.#ports.store.current?.trustBundlePem ?? "", rootPem);
  }

  /** The time comes second: that may be written, too, and a kill in between costs a certificate. */
  #keep(intent: Intent, key: OpenKey): (issued: Issued) => Promise<void> {
    return async (issued) => {
      await this.#answers.keep(intent, key.reference.spkiSha256, issued);
      this.#claim(issued);
    };
  }

  #claim(issued: Issued): void {
    const claim = issuedTimeClaim(issued, this.bundleWith(issued));
    if (claim !== undefined) this.#ports.time.claim(claim);
  }

  /** One request with a limit, and its answer kept; tells the history of outages how it went. */
  async #ask(
    request: (signal: AbortSignal) => Promise<Issued>,
    keep: (issued: Issued) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Issued> {
    const { clock } = this.#ports;
    signal.throwIfAborted();
    const limit = new AbortController();
    const late = Promise.withResolvers<never>();
    const end = (reason: unknown): void => {
      limit.abort(reason);
      late.reject(reason);
    };
    const onAbort = (): void => end(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = clock.setTimer(REQUEST_LIMIT_MS, () => {
      const words = `the authority has not answered within ${REQUEST_LIMIT_MS / 1000} s`;
      end(
        new IssuerError("ERR_ISSUER_UNREACHABLE", { reason: "timeout", words, lostAnswer: true }),
      );
    });
    try {
      const asked = request(limit.signal).then(async (issued) => {
        await keep(issued);
        return issued;
      });
      // What ends after the limit has nobody left who waits for it; its answer is kept all the same.
      asked.catch(() => undefined);
      const issued = await Promise.race([asked, late.promise]);
      await this.#outages.reached();
      return issued;
    } catch (error) {
      if (isCutOff(error)) await this.#outages.failed();
      else if (error instanceof IssuerError) await this.#outages.reached();
      throw error;
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }
}

function forIssuer({ key, material }: Snapshot): OwnIdentityForIssuer {
  return { key, chainPem: material.chainPem };
}

/** The authority has moved to its next root, which the issuer vouches for; none is dropped here. */
function withRoot(bundlePem: string, rootPem: string): string {
  const trusted = parseTrustBundle(bundlePem).map(({ summary }) => summary.fingerprint);
  const known = trusted.includes(parseCertificate(rootPem).summary.fingerprint);
  return known ? bundlePem : `${bundlePem.trimEnd()}\n${rootPem}`;
}
