/**
 * The frame around every file of the store: one line that says what the file is, in which version of
 * its format, how long it is and its SHA-256; then the payload. Whatever follows (old bytes of a slot
 * that is written in place) doesn't count. Pure.
 *
 * The frame is the same in every version, so that a program can tell a newer file from a damaged one.
 */
import { createHash } from "node:crypto";

export interface CheckedPayload {
  readonly version: number;
  readonly payload: Uint8Array;
}

/** Longer than any head of ours. */
const MAX_HEAD = 160;

export function sealChecked(kind: string, version: number, payload: Uint8Array): Uint8Array {
  const begin = `microedge-${kind} ${version} ${payload.length}`;
  const head = new TextEncoder().encode(`${begin} ${checksum(begin, payload)}\n`);
  const sealed = new Uint8Array(head.length + payload.length);
  sealed.set(head);
  sealed.set(payload, head.length);
  return sealed;
}

/** `undefined` unless the file is whole and of that kind. */
export function openChecked(kind: string, bytes: Uint8Array): CheckedPayload | undefined {
  const headEnd = bytes.subarray(0, MAX_HEAD).indexOf(0x0a);
  if (headEnd < 0) return undefined;
  const head = new TextDecoder().decode(bytes.subarray(0, headEnd));
  const match = /^(microedge-([a-z]+) (\d{1,6}) (\d{1,9})) ([0-9a-f]{64})$/.exec(head);
  if (match === null || match[2] !== kind) return undefined;
  const length = Number(match[4]);
  const payload = bytes.slice(headEnd + 1, headEnd + 1 + length);
  if (payload.length !== length || checksum(match[1] ?? "", payload) !== match[5]) return undefined;
  return { version: Number(match[3]), payload };
}

function checksum(begin: string, payload: Uint8Array): string {
  return createHash("sha256").update(begin).update("\n").update(payload).digest("hex");
}
