/**
 * Name constraints of authorities (RFC 5280 section 4.2.1.10), as far as OpenSSL leaves them to us: it
 * applies them to names as they stand, so a wildcard slips past an exclusion of one name that it covers
 * (CVE-2025-61727 was the same in Go). Pure.
 */
import type { Certificate } from "../x509/certificate.ts";
import { DER_TAG, readElements, readOne } from "../x509/der.ts";
import { extension, OID, type RawFields } from "./raw-fields.ts";

export interface DnsConstraint {
  readonly kind: "permitted" | "excluded";
  /** Lower case, as it stands. */
  readonly base: string;
}

const EXCLUDED = 0xa1;
const DNS = 0x82;

/** The DNS names among the constraints of an authority. */
export function dnsConstraints(raw: RawFields): DnsConstraint[] {
  return lists(raw).flatMap(({ tag, content }) =>
    readElements(content).flatMap((subtree) => {
      const [base] = readElements(subtree.content);
      if (base?.tag !== DNS) return [];
      const text = Buffer.from(base.content).toString("latin1").toLowerCase();
      return [{ kind: tag === EXCLUDED ? "excluded" : "permitted", base: text } as const];
    }),
  );
}

/** There are constraints, and they constrain nothing. */
export function isEmptyConstraints(raw: RawFields): boolean {
  if (extension(raw, OID.nameConstraints) === undefined) return false;
  const found = lists(raw);
  return found.length === 0 || found.some(({ content }) => content.length === 0);
}

/** A wildcard of the leaf that covers a name which `authority` excludes. */
export function excludedWildcard({ names }: Certificate, authority: RawFields): string | undefined {
  const excluded = dnsConstraints(authority).flatMap(({ kind, base }) =>
    kind === "excluded" ? [base.replace(/^\./, "")] : [],
  );
  return names.dnsNames.find((name) => {
    if (!name.startsWith("*.")) return false;
    const domain = name.slice(2);
    // A wildcard stands for one label, so of what lies below its domain it covers the first level only.
    return excluded.some((base) => base.slice(base.indexOf(".") + 1) === domain);
  });
}

function lists(raw: RawFields) {
  const constraints = extension(raw, OID.nameConstraints);
  return constraints === undefined
    ? []
    : readElements(readOne(constraints.value, DER_TAG.sequence));
}
