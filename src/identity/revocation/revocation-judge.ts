/**
 * Is a certificate revoked, as far as is known here and now? Asks the deny list, the CRLs in force and
 * the OCSP answers that are kept; nothing is fetched, so the answer is there at once, also offline.
 *
 * What is revoked in the last good copy stays revoked however old the copy is. What is not listed there
 * is good only while the copy is in date; after that nobody knows, and `soft` or `hard` decides.
 */
import { formatMoment } from "../span-words.ts";
import type { TimeView } from "../time/time-view.ts";
import type { Certificate } from "../x509/certificate.ts";
import { type CertificateFacts, certificateFacts } from "./certificate-facts.ts";
import type { CrlShelf } from "./crl-shelf.ts";
import type { DenyList } from "./deny-list.ts";
import { freshnessOf } from "./freshness.ts";
import type { Issuer, IssuerPool } from "./issuer-pool.ts";
import type { OcspAnswers } from "./ocsp-answers.ts";

/** `soft`: who can't be checked is let in. `hard`: who can't be checked is refused. */
export type FailMode = "soft" | "hard";

export interface RevocationSettings {
  /** `off`: there are no CRLs. */
  readonly crl: "off" | FailMode;
  readonly ocsp: "off" | FailMode;
}

export type RevocationVerdict =
  | { readonly kind: "good" }
  | {
      readonly kind: "revoked";
      /** Follows the word "certificate": `revoked on 2026-06-01T12:00:00Z (CRL of CN=Site CA)`. */
      readonly words: string;
      /** `CRL of CN=Site CA`, `OCSP of http://...`, `deny list`. */
      readonly source: string;
      readonly reason: string;
      /** Unix milliseconds; `undefined` when only a deny list says so. */
      readonly sinceMs: number | undefined;
    }
  | {
      readonly kind: "unknown";
      /** What is missing, in words. */
      readonly why: string;
      /** Whether that alone is a reason to refuse. */
      readonly hard: boolean;
      /** An OCSP responder could tell. */
      readonly askOcsp: boolean;
    };

type Revoked = Extract<RevocationVerdict, { kind: "revoked" }>;
/** What one source says. */
type Word =
  | Revoked
  | { readonly kind: "good" }
  | { readonly kind: "unknown"; readonly why: string };

/** Authorities in a chain. */
const MAX_DEPTH = 8;

export interface JudgeParts {
  readonly pool: IssuerPool;
  readonly shelf: CrlShelf;
  readonly answers: OcspAnswers;
  readonly denyList: DenyList;
  time(): TimeView;
  /** Monotonic milliseconds. */
  steadyMs(): number;
  settings(): RevocationSettings;
  /** A recovery identity is on the deny list, and stays let in. */
  onSpared(certificate: Certificate, entry: string): void;
}

export class RevocationJudge {
  readonly #parts: JudgeParts;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
  }

  /** @param leaf Of a peer whose chain was found good. */
  judge(leaf: Certificate): RevocationVerdict {
    const denied = this.#denied(leaf);
    if (denied !== undefined) return denied;
    const { crl, ocsp } = this.#parts.settings();
    // an answer that somebody stapled counts even when nobody is asked
    const answer = this.#byOcsp(leaf);
    if (answer.kind === "revoked") return answer;
    if (crl === "off" && ocsp === "off") return { kind: "good" };
    const issuer = this.#parts.pool.of(leaf);
    if (issuer === undefined) {
      const why = `its issuer ${leaf.summary.issuer} is not known here: add it to the trust bundle`;
      const hard = crl === "hard" || ocsp === "hard";
      return { kind: "unknown", why, hard, askOcsp: false };
    }
    const facts = certificateFacts(leaf.x509.raw);
    const words: { readonly word: Word; readonly mode: FailMode; readonly ocsp: boolean }[] = [];
    if (crl !== "off") words.push({ word: this.#byCrl(facts, issuer), mode: crl, ocsp: false });
    if (ocsp !== "off") words.push({ word: answer, mode: ocsp, ocsp: true });
    const revoked = words.find(({ word }) => word.kind === "revoked");
    if (revoked !== undefined) return revoked.word as Revoked;
    const open = words.flatMap(({ word, mode, ocsp }) =>
      word.kind === "unknown" ? [{ why: word.why, mode, ocsp }] : [],
    );
    if (open.length === 0) return { kind: "good" };
    return {
      kind: "unknown",
      why: open.map(({ why }) => why).join("; "),
      hard: open.some(({ mode }) => mode === "hard"),
      askOcsp: open.some((each) => each.ocsp),
    };
  }

  #denied(leaf: Certificate): Revoked | undefined {
    const match = this.#parts.denyList.match(leaf);
    if (match === undefined) return undefined;
    if (match.spared) {
      this.#parts.onSpared(leaf, match.entry);
      return undefined;
    }
    const words = `revoked here by the deny list (${match.entry})`;
    return { kind: "revoked", words, source: "deny list", reason: match.entry, sinceMs: undefined };
  }

  #byCrl({ serial, crlUrls }: CertificateFacts, issuer: Issuer): Word {
    const { subject } = issuer.certificate.summary;
    const crls = this.#parts.shelf.of(issuer);
    for (const { serials } of crls) {
      const entry = serials.find(serial);
      if (entry !== undefined) return revokedWord(entry, `CRL of ${subject}`);
    }
    const above = this.#revokedAbove(issuer, 0);
    if (above !== undefined) return above;
    // a certificate that names no distribution point, or a CRL that names none, is about all
    const covering = crls.filter(
      ({ pointUrls }) =>
        pointUrls.length === 0 ||
        crlUrls.length === 0 ||
        pointUrls.some((url) => crlUrls.includes(url)),
    );
    if (crls.length === 0) return { kind: "unknown", why: `there is no CRL of ${subject}` };
    if (covering.length === 0) {
      const why = `the CRL of ${subject} is of another distribution point than the certificate names`;
      return { kind: "unknown", why };
    }
    const states = covering.map((crl) => freshnessOf(crl, this.#parts.time()));
    if (states.some(({ state }) => state === "fresh")) return { kind: "good" };
    return { kind: "unknown", why: `the CRL of ${subject} is ${states[0]?.words}` };
  }

  /** Whether an authority in the chain is on the list of the one above it. */
  #revokedAbove({ certificate, facts }: Issuer, depth: number): Revoked | undefined {
    if (certificate.selfSigned || depth >= MAX_DEPTH) return undefined;
    const issuer = this.#parts.pool.of(certificate);
    if (issuer === undefined) return undefined;
    const { subject } = issuer.certificate.summary;
    for (const { serials } of this.#parts.shelf.of(issuer)) {
      const entry = serials.find(facts.serial);
      if (entry === undefined) continue;
      const { words, ...revoked } = revokedWord(entry, `CRL of ${subject}`);
      return {
        ...revoked,
        words: `was issued by ${certificate.summary.subject}, which was ${words}`,
      };
    }
    return this.#revokedAbove(issuer, depth + 1);
  }

  #byOcsp({ summary }: Certificate): Word {
    const answer = this.#parts.answers.get(summary.fingerprint);
    if (answer === undefined) return { kind: "unknown", why: "there is no OCSP answer about it" };
    if (answer.status === "revoked") return revokedWord(answer, `OCSP of ${answer.source}`);
    const freshness = freshnessOf(answer, this.#parts.time());
    const proven =
      freshness.state === "doubtful" && this.#parts.steadyMs() < (answer.freshUntil ?? 0);
    if (freshness.state !== "fresh" && !proven) {
      return { kind: "unknown", why: `the OCSP answer about it is ${freshness.words}` };
    }
    if (answer.status === "good") return { kind: "good" };
    return { kind: "unknown", why: "the OCSP responder does not know it" };
  }
}

function revokedWord(
  { sinceMs, reason }: { readonly sinceMs: number; readonly reason: string },
  source: string,
): Revoked {
  const why = reason === "unspecified" ? "" : `, ${reason}`;
  const text = `revoked on ${formatMoment(sinceMs)} (${source}${why})`;
  return { kind: "revoked", words: text, source, reason, sinceMs };
}
