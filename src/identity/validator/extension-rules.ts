/**
 * Rules of RFC 5280 that OpenSSL lets pass in a handshake, for every certificate from the leaf to the
 * root: a table of code, words, fix. Rows that are marked as profile harm nobody by themselves (other
 * TLS stacks refuse some of them); they warn unless the policy is strict. Pure.
 */
import type { Certificate } from "../x509/certificate.ts";
import { DER_TAG, readElements, readOne } from "../x509/der.ts";
import { dnsConstraints, excludedWildcard, isEmptyConstraints } from "./name-constraints.ts";
import { extension, hasUnnamedCurve, OID, type RawFields } from "./raw-fields.ts";

/** Where a certificate stands in its chain. */
export type Place = "leaf" | "intermediate" | "root";

export interface RuleSubject {
  readonly certificate: Certificate;
  readonly raw: RawFields;
  readonly place: Place;
  /** Of the chain; the certificate itself in the leaf's place. */
  readonly leaf: Certificate;
}

export interface ExtensionRule {
  readonly code: string;
  readonly places: readonly Place[];
  /** Only a warning unless the policy is strict. */
  readonly profile: boolean;
  readonly fix: string;
  /**
   * The fault, following "it"; `undefined` if there is none.
   *
   * @throws AgentError `ERR_CERT_INVALID` when the DER that it asks for is none.
   */
  fault(subject: RuleSubject): string | undefined;
}

/** What we or OpenSSL act on; any other critical extension means "do not use me". */
const UNDERSTOOD: ReadonlySet<string> = new Set(Object.values(OID));
/** RFC 5280 sections 4.2.1.1, 4.2.1.2 and 4.2.2.1: must not be critical. */
const NEVER_CRITICAL: Readonly<Record<string, string>> = {
  [OID.authorityKeyId]: "authority key identifier",
  [OID.subjectKeyId]: "subject key identifier",
  [OID.authorityAccess]: "authority information access",
};
const KEY_CERT_SIGN = 0x04;
const MAX_SERIAL_OCTETS = 20;

const EVERYWHERE: readonly Place[] = ["leaf", "intermediate", "root"];
const AUTHORITIES: readonly Place[] = ["intermediate", "root"];
const BELOW_ROOT: readonly Place[] = ["leaf", "intermediate"];

export const EXTENSION_RULES: readonly ExtensionRule[] = [
  {
    code: "weak-key",
    places: EVERYWHERE,
    profile: false,
    fix: "make the key anew with a named curve, P-256",
    fault: ({ raw }) =>
      hasUnnamedCurve(raw) ? "has a key that spells out its curve instead of naming it" : undefined,
  },
  {
    code: "serial",
    places: BELOW_ROOT,
    profile: false,
    fix: "let the authority use positive serial numbers of at most 20 octets",
    fault: ({ raw }) => serialFault(raw.serial),
  },
  {
    code: "critical-extension",
    places: EVERYWHERE,
    profile: false,
    fix: "issue it without that critical extension",
    fault: ({ raw }) => {
      const unknown = raw.extensions.find(({ oid, critical }) => critical && !UNDERSTOOD.has(oid));
      return unknown && `has a critical extension that is not known (${unknown.oid})`;
    },
  },
  {
    code: "criticality",
    places: EVERYWHERE,
    profile: false,
    fix: "issue it with that extension not critical",
    fault: ({ raw }) => {
      const wrong = raw.extensions.find(({ oid, critical }) => critical && oid in NEVER_CRITICAL);
      return wrong && `marks its ${NEVER_CRITICAL[wrong.oid]} as critical`;
    },
  },
  {
    code: "criticality",
    places: AUTHORITIES,
    profile: false,
    fix: "issue the authority with critical policy constraints",
    fault: ({ raw }) =>
      extension(raw, OID.policyConstraints)?.critical === false
        ? "has policy constraints that are not critical"
        : undefined,
  },
  {
    code: "name-constraint",
    places: ["leaf"],
    profile: false,
    fix: "issue it without name constraints; only authorities may carry them",
    fault: ({ raw }) =>
      extension(raw, OID.nameConstraints) &&
      "has name constraints, which only authorities may have",
  },
  {
    code: "name-constraint",
    places: AUTHORITIES,
    profile: false,
    fix: "issue the authority with well-formed name constraints",
    fault: ({ raw }) => {
      if (isEmptyConstraints(raw)) return "has empty name constraints";
      const odd = dnsConstraints(raw).find(({ base }) => base.includes("*"));
      return odd && `has a DNS name constraint with a wildcard ("${odd.base}")`;
    },
  },
  {
    code: "name-constraint",
    places: AUTHORITIES,
    profile: false,
    fix: "issue the certificate without the wildcard",
    fault: ({ raw, leaf }) => {
      const wildcard = excludedWildcard(leaf, raw);
      return wildcard && `excludes a name that "${wildcard}" in the certificate covers`;
    },
  },
  {
    code: "malformed",
    places: EVERYWHERE,
    profile: false,
    fix: "issue it with well-formed authority information access, or without",
    fault: ({ raw }) => {
      const access = extension(raw, OID.authorityAccess);
      if (access === undefined || isAccessList(access.value)) return undefined;
      return "has malformed authority information access";
    },
  },
  {
    code: "malformed",
    places: ["leaf"],
    profile: false,
    fix: "issue it with key usage digitalSignature, without keyCertSign",
    fault: ({ certificate }) =>
      certificate.keyUsage !== undefined && !certificate.ca && maySignCertificates(certificate)
        ? "may sign certificates (keyCertSign) although it is no authority"
        : undefined,
  },
  {
    code: "malformed",
    places: ["leaf"],
    profile: false,
    fix: "issue it with wildcards only as a whole first label (*.example.com), or better without",
    fault: ({ certificate }) => {
      const odd = certificate.names.dnsNames.find((name) => !isPlainWildcard(name));
      return odd && `has a wildcard that names nobody ("${odd}")`;
    },
  },
  {
    code: "malformed",
    places: ["leaf"],
    profile: false,
    fix: "issue it with well-formed mail addresses, or without",
    fault: ({ raw }) => {
      const odd = mailNames(extension(raw, OID.alternativeNames)?.value).find(
        (name) => !/^[\x21-\x3f\x41-\x7e]+@[\x21-\x3f\x41-\x7e]+$/.test(name),
      );
      return odd === undefined ? undefined : "has a malformed mail address";
    },
  },
  {
    code: "malformed",
    places: BELOW_ROOT,
    profile: false,
    fix: "issue it from an authority that has a name",
    fault: ({ raw }) => (raw.issuer.length === 0 ? "names no issuer" : undefined),
  },
  {
    code: "malformed",
    places: AUTHORITIES,
    profile: false,
    fix: "give the authority a name",
    fault: ({ raw }) => (raw.subject.length === 0 ? "is an authority without a name" : undefined),
  },
  {
    code: "not-authority",
    places: AUTHORITIES,
    profile: false,
    fix: "issue from a real authority: version 3, basicConstraints CA:TRUE, key usage keyCertSign",
    fault: ({ certificate, place }) => authorityFault(certificate, place),
  },
  {
    code: "profile",
    places: AUTHORITIES,
    profile: true,
    fix: "issue the authority with critical basicConstraints",
    fault: ({ raw }) =>
      extension(raw, OID.basicConstraints)?.critical === false
        ? "has basic constraints that are not critical"
        : undefined,
  },
  {
    code: "profile",
    places: AUTHORITIES,
    profile: true,
    fix: "issue the authority with a subject key identifier; strict peers (Python 3.13) want one",
    fault: ({ raw }) =>
      extension(raw, OID.subjectKeyId) === undefined ? "has no subject key identifier" : undefined,
  },
  {
    code: "profile",
    places: EVERYWHERE,
    profile: true,
    fix: "issue it with an authority key identifier; strict peers (Python 3.13) want one",
    fault: ({ raw, certificate }) =>
      !certificate.selfSigned && extension(raw, OID.authorityKeyId) === undefined
        ? "has no authority key identifier"
        : undefined,
  },
  {
    code: "profile",
    places: ["leaf"],
    profile: true,
    fix: "issue it with a subject, or with critical subject alternative names",
    fault: ({ raw }) =>
      raw.subject.length === 0 && extension(raw, OID.alternativeNames)?.critical === false
        ? "has no subject, and alternative names that are not critical"
        : undefined,
  },
  {
    code: "profile",
    places: ["leaf"],
    profile: true,
    fix: "use names of letters, digits and hyphens",
    fault: ({ certificate }) => {
      const odd = certificate.names.dnsNames.find((name) => name.includes("_"));
      return odd && `has a DNS name with an underscore ("${odd}")`;
    },
  },
  {
    code: "profile",
    places: AUTHORITIES,
    profile: true,
    fix: "issue the authority with critical name constraints",
    fault: ({ raw }) =>
      extension(raw, OID.nameConstraints)?.critical === false
        ? "has name constraints that are not critical"
        : undefined,
  },
  {
    code: "profile",
    places: AUTHORITIES,
    profile: true,
    fix: "issue the authority with DNS name constraints that begin with a letter or digit",
    fault: ({ raw }) => {
      const odd = dnsConstraints(raw).find(({ base }) => base.startsWith("."));
      return odd && `has a DNS name constraint with a leading period ("${odd.base}")`;
    },
  },
  {
    code: "profile",
    places: EVERYWHERE,
    profile: true,
    fix: "use an RSA key whose length is a multiple of 8 bits, or ECDSA P-256",
    fault: ({ certificate }) => {
      const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
      return bits % 8 === 0 ? undefined : `has an RSA key of ${bits} bits, not a multiple of 8`;
    },
  },
  {
    code: "profile",
    places: ["root"],
    profile: true,
    fix: "make the root anew with a positive serial number of at most 20 octets",
    fault: ({ raw }) => serialFault(raw.serial),
  },
];

/** RFC 5280 section 4.1.2.2. */
function serialFault(serial: Uint8Array): string | undefined {
  if (((serial[0] ?? 0) & 0x80) !== 0) return "has a negative serial number";
  if (serial.every((octet) => octet === 0)) return "has serial number 0";
  return serial.length > MAX_SERIAL_OCTETS
    ? `has a serial number of ${serial.length} octets; 20 are the most`
    : undefined;
}

/** A root of version 1 has no extensions; whoever trusts it does so by name (RFC 5280 section 6.1). */
function authorityFault(certificate: Certificate, place: Place): string | undefined {
  if (certificate.version === 1 && place === "root") return undefined;
  if (certificate.version !== 3) return `is X.509 version ${certificate.version}, not 3`;
  if (!certificate.ca) return "is not an authority's certificate (no basicConstraints CA)";
  return certificate.keyUsage === undefined || maySignCertificates(certificate)
    ? undefined
    : "may not sign certificates: its key usage lacks keyCertSign";
}

function maySignCertificates({ keyUsage }: Certificate): boolean {
  return ((keyUsage?.[0] ?? 0) & KEY_CERT_SIGN) !== 0;
}

/** RFC 9525 section 6.3: the wildcard is the whole first label; and it must not cover a whole domain of the top. */
function isPlainWildcard(name: string): boolean {
  if (!name.includes("*")) return true;
  const [first, ...rest] = name.replace(/\.$/, "").split(".");
  return first === "*" && rest.length >= 2 && !rest.some((label) => label.includes("*"));
}

/** RFC 5280 section 4.2.2.1: a list of at least one pair of method and location. */
function isAccessList(value: Uint8Array): boolean {
  try {
    const entries = readElements(readOne(value, DER_TAG.sequence));
    return (
      entries.length > 0 &&
      entries.every(({ tag, content }) => {
        const [method, location, ...more] = readElements(content);
        const shape = tag === DER_TAG.sequence && method?.tag === DER_TAG.oid;
        return shape && location !== undefined && (location.tag & 0x80) !== 0 && more.length === 0;
      })
    );
  } catch {
    return false;
  }
}

/** RFC 5280 section 4.2.1.6: rfc822Name, context tag 1. */
function mailNames(value: Uint8Array | undefined): string[] {
  if (value === undefined) return [];
  return readElements(readOne(value, DER_TAG.sequence)).flatMap(({ tag, content }) =>
    tag === 0x81 ? [Buffer.from(content).toString("latin1")] : [],
  );
}
