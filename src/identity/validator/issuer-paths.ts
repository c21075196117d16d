/**
 * Puts a chain in order: every way from a leaf to a self-signed authority of the trust bundle, as far
 * as names and signatures tell. It only says which certificates to look at and to send; whether a way
 * is good is OpenSSL's verdict, in the trial handshake. Bounded in ways, depth and signatures checked.
 */
import type { TrustBundle } from "../trust-bundle.ts";
import type { Certificate } from "../x509/certificate.ts";

/** One way: the leaf first, the self-signed authority last (a self-signed leaf is both). */
export type IssuerPath = readonly [Certificate, ...Certificate[]];

const MAX_PATHS = 8;
/** Steps of the search over all ways together: cross-signed authorities make a web. */
const MAX_STEPS = 512;
const MAX_SIGNATURES = 64;

/** Remembers who signed what, so that no signature is checked twice. */
export class Issuers {
  readonly #pool: readonly Certificate[];
  readonly #known = new Map<string, readonly Certificate[]>();
  #signatures = MAX_SIGNATURES;

  constructor(pool: readonly Certificate[]) {
    const byPrint = new Map(pool.map((each) => [each.summary.fingerprint, each] as const));
    this.#pool = [...byPrint.values()];
  }

  /** Those of the pool whose key made the signature on `child`; itself if it is self-signed. */
  of(child: Certificate): readonly Certificate[] {
    const key = child.summary.fingerprint;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const found = this.#pool.filter((issuer) => this.#signed(child, issuer));
    this.#known.set(key, found);
    return found;
  }

  /** Those whose key made the signature although they may not, by usage or key identifier; to explain. */
  barred(child: Certificate): readonly Certificate[] {
    return this.#pool.filter(({ x509, publicKey, summary }) => {
      if (summary.subject !== child.summary.issuer || this.#signatures <= 0) return false;
      if (summary.fingerprint === child.summary.fingerprint) return false;
      try {
        if (child.x509.checkIssued(x509)) return false;
        this.#signatures -= 1;
        return child.x509.verify(publicKey);
      } catch {
        return false;
      }
    });
  }

  #signed(child: Certificate, issuer: Certificate): boolean {
    try {
      if (!child.x509.checkIssued(issuer.x509) || this.#signatures <= 0) return false;
      this.#signatures -= 1;
      return child.x509.verify(issuer.publicKey);
    } catch {
      // A key that can't verify anything has signed nothing.
      return false;
    }
  }
}

/** The ways found, shortest first. */
export function findPaths(leaf: Certificate, bundle: TrustBundle, issuers: Issuers): IssuerPath[] {
  const anchors = new Set(bundle.map(({ summary }) => summary.fingerprint));
  const found: IssuerPath[] = [];
  const open: IssuerPath[] = [[leaf]];
  // Breadth first: the order of what was sent does not matter, and no deep web hides a short way.
  for (let steps = 0; steps < MAX_STEPS && found.length < MAX_PATHS; steps++) {
    const path = open.shift();
    if (path === undefined) break;
    const last = path.at(-1) ?? leaf;
    if (last.selfSigned) {
      if (anchors.has(last.summary.fingerprint)) found.push(path);
      continue;
    }
    for (const issuer of issuers.of(last)) {
      if (!path.some((each) => isSameAuthority(each, issuer))) open.push([...path, issuer]);
    }
  }
  return found;
}

/** A renewed authority is another one; a loop comes back to the same certificate. */
function isSameAuthority(one: Certificate, other: Certificate): boolean {
  return one.summary.fingerprint === other.summary.fingerprint;
}
