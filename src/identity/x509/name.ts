/**
 * Distinguished names (RFC 5280 section 4.1.2.4), read from DER so that nothing in a value can pose
 * as another attribute, and printed as RFC 4514 says: last part first, specials escaped. Pure.
 */
import { formatOid, readElements } from "./der.ts";

export interface NameAttribute {
  readonly oid: string;
  readonly value: string;
}

/** Parts in the order of the certificate; a part has several attributes only rarely. */
export type DistinguishedName = readonly (readonly NameAttribute[])[];

const COMMON_NAME = "2.5.4.3";

/** Short names of RFC 4514 section 3, and two that people expect. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  [COMMON_NAME]: "CN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "emailAddress",
};

const BMP_STRING = 0x1e;
const T61_STRING = 0x14;

/** Reads the content of a Name's SEQUENCE. */
export function parseName(content: Uint8Array): DistinguishedName {
  return readElements(content).map((part) =>
    readElements(part.content).map((attribute) => {
      const [type, value] = readElements(attribute.content);
      return {
        oid: formatOid(type?.content ?? new Uint8Array()),
        value: textOf(value?.tag ?? 0, value?.content ?? new Uint8Array()),
      };
    }),
  );
}

/** All common names; a certificate that names one peer has exactly one. */
export function commonNames(name: DistinguishedName): string[] {
  return name.flat().flatMap(({ oid, value }) => (oid === COMMON_NAME ? [value] : []));
}

/** One line, RFC 4514: `CN=greeter,O=Example`. */
export function formatName(name: DistinguishedName): string {
  const parts = name.map((part) =>
    part.map(({ oid, value }) => `${SHORT_NAMES[oid] ?? oid}=${escapeValue(value)}`).join("+"),
  );
  return parts.reverse().join(",");
}

function textOf(tag: number, content: Uint8Array): string {
  if (tag === BMP_STRING) return new TextDecoder("utf-16be").decode(content);
  if (tag === T61_STRING) return Buffer.from(content).toString("latin1");
  return new TextDecoder().decode(content);
}

/** RFC 4514 section 2.4; control characters as hexadecimal too, so that a log line stays one line. */
function escapeValue(value: string): string {
  return value
    .replace(/[\\,+"<>;=]/g, "\\$&")
    .replace(/^[ #]/, "\\$&")
    .replace(/ $/, "\\ ")
    .replace(/[\p{Cc}\u2028\u2029]/gu, (control) =>
      [...new TextEncoder().encode(control)]
        .map((octet) => `\\${octet.toString(16).padStart(2, "0")}`)
        .join(""),
    );
}
