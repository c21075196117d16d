/**
 * Writes DER (X.690 section 10): just what key files, PKCS#12 and certificate requests need. Pure.
 */
import { DER_TAG } from "../x509/der.ts";

const TAG = {
  null: 0x05,
  utf8String: 0x0c,
  bmpString: 0x1e,
} as const;

/** One element with a definite length in its shortest form. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOctets(content.length), content]);
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return element(DER_TAG.sequence, ...parts);
}

/** A SET OF: its elements stand in ascending order (X.690 section 11.6). */
export function setOf(...parts: readonly Uint8Array[]): Buffer {
  return element(DER_TAG.set, ...parts.toSorted(Buffer.compare));
}

/** A whole number from 0 to 2^48. */
export function integer(value: number): Buffer {
  const octets = Buffer.alloc(7);
  octets.writeUIntBE(value, 1, 6);
  let start = 0;
  // shortest form, with the sign bit clear
  while (start < 6 && octets[start] === 0 && (octets[start + 1] ?? 0) < 0x80) start++;
  return element(DER_TAG.integer, octets.subarray(start));
}

export function octetString(bytes: Uint8Array): Buffer {
  return element(DER_TAG.octetString, bytes);
}

export function bitString(bytes: Uint8Array): Buffer {
  return element(DER_TAG.bitString, Buffer.of(0), bytes);
}

export function utf8String(text: string): Buffer {
  return element(TAG.utf8String, Buffer.from(text, "utf8"));
}

/** UTF-16, most significant octet first (X.690 section 8.23.9). */
export function bmpString(text: string): Buffer {
  return element(TAG.bmpString, Buffer.from(text, "utf16le").swap16());
}

export function nothing(): Buffer {
  return element(TAG.null);
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octets = [first * 40 + second, ...rest].flatMap((arc) => {
    const digits = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift((left % 128) | 0x80);
    }
    return digits;
  });
  return element(DER_TAG.oid, Buffer.from(octets));
}

/** `[number] EXPLICIT`: the element inside a constructed context tag. */
export function explicit(number: number, ...parts: readonly Uint8Array[]): Buffer {
  return element(0xa0 | number, ...parts);
}

function lengthOctets(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const octets: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) octets.unshift(left % 256);
  return Buffer.from([0x80 | octets.length, ...octets]);
}
