/**
 * Base64 as protobuf's JSON mapping reads it: the standard or the URL-safe alphabet, with its padding
 * or with none (RFC 4648 sections 4 and 5); nothing else, no white space. Written: standard, padded.
 *
 * Node's decoder is fast but lenient: it skips what it does not know and takes a character beyond
 * Latin-1 for its low byte. So the text is accepted only if it is what encoding the result gives;
 * the other permitted spellings take a second look.
 */
const ANY_SPELLING = /^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$/;

/** The bytes, in memory of their own; `undefined` if `text` is not base64. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  if (encodeBase64(bytes) !== text && !isOtherSpelling(text)) return undefined;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.prototype.base64Slice.call(bytes, 0, bytes.byteLength);
}

/** Padding is all or nothing; a lone character more than whole groups can't stand for a byte. */
function isOtherSpelling(text: string): boolean {
  if (!ANY_SPELLING.test(text)) return false;
  return text.endsWith("=") ? text.length % 4 === 0 : text.length % 4 !== 1;
}
