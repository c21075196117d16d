/** What status says about revocation. Times are Unix milliseconds. */
export interface CrlView {
  /** Distinguished name of the authority. */
  readonly issuer: string;
  /** Decimal; `undefined` when it has none. */
  readonly number: string | undefined;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** `doubtful`: the time is not known well enough to say. */
  readonly state: "fresh" | "stale" | "future" | "doubtful";
  /** Why it is not fresh; empty when it is. */
  readonly words: string;
  /** Entries. */
  readonly revoked: number;
  /** In memory. */
  readonly bytes: number;
}

export interface CrlSourceView {
  /** File or address. */
  readonly source: string;
  /** Why the last look gave nothing; what is in force stays. */
  readonly fault: string | undefined;
  /** Of the last look that gave something. */
  readonly checkedAt: number | undefined;
  readonly lists: readonly CrlView[];
}

export interface RevocationView {
  readonly crl: "off" | "soft" | "hard";
  readonly ocsp: "off" | "soft" | "hard";
  readonly sources: readonly CrlSourceView[];
  /** Answers that are kept. */
  readonly ocspAnswers: number;
  readonly ocspFaults: readonly { readonly responder: string; readonly reason: string }[];
  /** End of the answer that our server staples; `undefined` without one in date. */
  readonly stapleEndsAt: number | undefined;
  /** Entries of the deny list. */
  readonly denied: number;
  /** Those whose certificate has expired: they can be taken out. */
  readonly deniedEnded: readonly string[];
  /** Connections cut since the start. */
  readonly cut: number;
}
