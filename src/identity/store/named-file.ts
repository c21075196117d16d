/**
 * Small files that live beside the generations and are replaced as wholes: keys without a certificate
 * yet, and notes. Pure.
 */
import { AgentError } from "../../base/errors.ts";
import type { KeyReference } from "../keys/key-provider.ts";
import { openChecked, sealChecked } from "./checked-file.ts";
import { keyShape, type ReadOutcome, readJson } from "./generation-file.ts";

/** As short as it can be, so that the end of a temporary file is not taken for a part of it. */
export const NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}?";
export const MAX_NOTES = 64;
export const MAX_KEYS = 16;
export const MAX_NOTE_BYTES = 64 * 1024;
/** A key's locator may have as much as a note; JSON and the frame add to it. */
export const MAX_NAMED_BYTES = 2 * MAX_NOTE_BYTES;

const VERSION = 1;
/** No name ends like a temporary file. */
const WHOLE_NAME = new RegExp(`^(?!.*\\.tmp$)${NAME}$`);

/** @throws AgentError `ERR_STORE_CONTENT`. */
export function assertName(name: string): void {
  if (WHOLE_NAME.test(name)) return;
  const rule =
    "1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit, not ending in .tmp";
  throw new AgentError("ERR_STORE_CONTENT", `${JSON.stringify(name)} is no name: ${rule}`);
}

/** @throws AgentError `ERR_STORE_CONTENT` when it is too large. */
export function encodeNote(bytes: Uint8Array): Uint8Array {
  assertSize(bytes.length);
  return sealChecked("note", VERSION, bytes);
}

export function decodeNote(bytes: Uint8Array): ReadOutcome<Uint8Array> {
  const opened = openChecked("note", bytes);
  if (opened === undefined) return { kind: "damaged" };
  if (opened.version > VERSION) return { kind: "newer", version: opened.version };
  return { kind: "whole", value: opened.payload };
}

/** @throws AgentError `ERR_STORE_CONTENT` when it is too large. */
export function encodeKey(key: KeyReference): Uint8Array {
  const { provider, algorithm, spkiSha256, locator } = key;
  assertSize(locator.length);
  const text = JSON.stringify({ provider, algorithm, spkiSha256, locator });
  return sealChecked("key", VERSION, new TextEncoder().encode(text));
}

export function decodeKey(bytes: Uint8Array): ReadOutcome<KeyReference> {
  return readJson("key", VERSION, keyShape, bytes);
}

function assertSize(bytes: number): void {
  if (bytes <= MAX_NOTE_BYTES) return;
  throw new AgentError("ERR_STORE_CONTENT", `${bytes} bytes are more than ${MAX_NOTE_BYTES}`);
}
