/**
 * The authorities that may have issued a peer's certificate: those of the trust bundles, and
 * intermediates that chain to them. Node does not tell who issued a client's certificate when the client
 * sent the intermediate, nor anything but the leaf of a resumed session, so the issuer is looked up here.
 */
import type { Certificate } from "../x509/certificate.ts";
import { type CertificateFacts, certificateFacts, issuerKey } from "./certificate-facts.ts";
import { sameBytes } from "./der-cursor.ts";

export interface Issuer {
  readonly certificate: Certificate;
  readonly facts: CertificateFacts;
  /** Name and key; the same for a re-issued certificate of the authority. */
  readonly key: string;
}

/** Intermediates beside the bundles. */
const MAX_OFFERED = 64;
/** Leaves whose issuer is remembered: finding it costs signature checks. */
const MAX_KNOWN = 512;
/** Signatures checked for one leaf: namesakes must not cost a handshake more. */
const MAX_CHECKS = 16;

export class IssuerPool {
  #anchors: readonly Issuer[] = [];
  readonly #offered = new Map<string, Issuer>();
  readonly #known = new Map<string, Issuer>();

  /** The bundles in force. Intermediates that no longer chain to them are forgotten. */
  trust(bundle: readonly Certificate[]): void {
    this.#anchors = bundle.flatMap((certificate) => {
      const able = certificate.ca || certificate.selfSigned || certificate.version === 1;
      return able ? [issuerOf(certificate)] : [];
    });
    this.#known.clear();
    const before = [...this.#offered.values()].map(({ certificate }) => certificate);
    this.#offered.clear();
    this.offer(before);
  }

  /** Takes those of `certificates` that are authorities and chain to the bundles. Whether there were new ones. */
  offer(certificates: readonly Certificate[]): boolean {
    let news = false;
    // twice, because a chain may stand in any order
    for (const certificate of [...certificates, ...certificates]) {
      const { fingerprint } = certificate.summary;
      if (!certificate.ca || this.#offered.has(fingerprint) || this.#offered.size >= MAX_OFFERED) {
        continue;
      }
      if (this.#anchors.some((anchor) => anchor.certificate.summary.fingerprint === fingerprint)) {
        continue;
      }
      if (this.#signerOf(certificate) === undefined) continue;
      this.#offered.set(fingerprint, issuerOf(certificate));
      news = true;
    }
    return news;
  }

  /** The direct issuer of a certificate whose chain was found good; `undefined` when it is not known here. */
  of(leaf: Certificate): Issuer | undefined {
    const { fingerprint } = leaf.summary;
    const known = this.#known.get(fingerprint);
    if (known !== undefined) return known;
    const found = this.#signerOf(leaf);
    if (found === undefined) return undefined;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(fingerprint, found);
    return found;
  }

  /** Authorities of a name, DER; several when one was re-keyed or another took its name. */
  named(name: Uint8Array): readonly Issuer[] {
    return this.#all().filter(({ facts }) => sameBytes(facts.subjectName, name));
  }

  #all(): readonly Issuer[] {
    return [...this.#anchors, ...this.#offered.values()];
  }

  #signerOf({ x509 }: Certificate): Issuer | undefined {
    let checks = 0;
    return this.#all().find(({ certificate: { x509: authority, publicKey } }) => {
      if (!x509.checkIssued(authority) || checks >= MAX_CHECKS) return false;
      checks += 1;
      return x509.verify(publicKey);
    });
  }
}

function issuerOf(certificate: Certificate): Issuer {
  const facts = certificateFacts(certificate.x509.raw);
  return { certificate, facts, key: issuerKey(facts) };
}

/** Bit 6 of keyUsage is cRLSign (RFC 5280 section 4.2.1.3); without the extension every use is allowed. */
export function maySignCrls({ keyUsage }: Certificate): boolean {
  return keyUsage === undefined || ((keyUsage[0] ?? 0) & 0x02) !== 0;
}
