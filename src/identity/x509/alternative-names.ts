/**
 * Subject alternative names (RFC 5280 section 4.2.1.6), read from DER. Text forms of the whole
 * extension are never parsed: names with commas or quotes in them have fooled such parsers before
 * (CVE-2021-44531 and -44532). Pure.
 */
import { DER_TAG, readElements, readOne } from "./der.ts";
import { formatIpAddress } from "./ip-address.ts";

export interface AlternativeNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly uris: readonly string[];
  /** Entries that are malformed, in words; any makes the certificate unacceptable. */
  readonly faults: readonly string[];
}

export const NO_NAMES: AlternativeNames = { dnsNames: [], ipAddresses: [], uris: [], faults: [] };

/** Context tags of GeneralName. */
const DNS = 0x82;
const URI = 0x86;
const IP = 0x87;

/** Letters, digits, hyphen, underscore (common in private zones); `*` is judged when matching. */
const DNS_FORM = /^(?=.{1,253}$)[A-Za-z0-9_*-]{1,63}(?:\.[A-Za-z0-9_*-]{1,63})*$/;
const URI_FORM = /^[\x21-\x7e]{1,2048}$/;

/** Reads the extension's value. Kinds that we don't use (mail, directory names) are passed over. */
export function parseAlternativeNames(extension: Uint8Array): AlternativeNames {
  const dnsNames: string[] = [];
  const ipAddresses: string[] = [];
  const uris: string[] = [];
  const faults: string[] = [];
  for (const { tag, content } of readElements(readOne(extension, DER_TAG.sequence))) {
    const text = Buffer.from(content).toString("latin1");
    if (tag === DNS && DNS_FORM.test(text)) dnsNames.push(text.toLowerCase());
    else if (tag === DNS) faults.push(`DNS name ${JSON.stringify(text.slice(0, 80))}`);
    if (tag === URI && URI_FORM.test(text)) uris.push(text);
    else if (tag === URI) faults.push(`URI ${JSON.stringify(text.slice(0, 80))}`);
    if (tag !== IP) continue;
    const address = formatIpAddress(content);
    if (address === undefined) faults.push(`IP address of ${content.length} octets`);
    else ipAddresses.push(address);
  }
  return { dnsNames, ipAddresses, uris, faults };
}
