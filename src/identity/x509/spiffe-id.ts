/**
 * SPIFFE IDs (SPIFFE-ID specification, sections 2.1 to 2.3): `spiffe://trust-domain/path`. Pure.
 */

/** Limits of the specification: trust domain 255 octets, whole ID 2048. */
const MAX_TRUST_DOMAIN = 255;
const MAX_LENGTH = 2048;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const PATH_SEGMENT = /^[A-Za-z0-9._-]+$/;

/** Whether `uri` claims to be a SPIFFE ID, well-formed or not (schemes are case-insensitive). */
export function isSpiffeUri(uri: string): boolean {
  return /^spiffe:/i.test(uri);
}

/** The fault of a SPIFFE ID in words; `undefined` if it has none. */
export function spiffeIdFault(id: string): string | undefined {
  if (!id.startsWith("spiffe://")) return "it does not begin with spiffe:// in lower case";
  if (id.length > MAX_LENGTH) return `it is longer than ${MAX_LENGTH} octets`;
  const [trustDomain = "", ...segments] = id.slice("spiffe://".length).split("/");
  if (trustDomain.length > MAX_TRUST_DOMAIN) return "its trust domain is longer than 255 octets";
  if (!TRUST_DOMAIN.test(trustDomain)) {
    return "its trust domain is empty or has characters other than a-z 0-9 . - _";
  }
  for (const segment of segments) {
    if (segment === "." || segment === ".." || !PATH_SEGMENT.test(segment)) {
      return "its path has an empty, relative or ill-formed segment";
    }
  }
  return undefined;
}
