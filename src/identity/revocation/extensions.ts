/** Reads an Extensions field (RFC 5280 section 4.1): identifier, critical or not, value. Pure. */
import { formatOid } from "../x509/der.ts";
import { type DerCursor, TAG } from "./der-cursor.ts";
import { refuse } from "./refusal.ts";

export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  /** Content of the OCTET STRING. */
  readonly value: Uint8Array;
}

/** More than any real object has. */
const MAX_EXTENSIONS = 64;

/** @param cursor Over the content of the SEQUENCE OF Extension. */
export function readExtensions(cursor: DerCursor): Extension[] {
  const extensions: Extension[] = [];
  while (!cursor.done) {
    const parts = cursor.take(TAG.sequence, "an extension").inside();
    const oid = formatOid(parts.take(TAG.oid, "an extension's identifier").content);
    const critical = parts.takeIf(TAG.boolean) && parts.content[0] !== 0;
    const value = parts.take(TAG.octetString, "an extension's value").content;
    if (extensions.some((other) => other.oid === oid) || extensions.length >= MAX_EXTENSIONS) {
      throw refuse("malformed", `extension ${oid} is there twice, or there are too many`);
    }
    extensions.push({ oid, critical, value });
  }
  return extensions;
}

export function refuseUnknownCritical(extensions: readonly Extension[], known: readonly string[]) {
  const unknown = extensions.find(({ oid, critical }) => critical && !known.includes(oid));
  if (unknown !== undefined) {
    throw refuse(
      "critical-extension",
      `it has a critical extension that is not known (${unknown.oid})`,
    );
  }
}
