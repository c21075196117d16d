/**
 * What was pushed, as it is kept in the store until it is in force, and how far this device has come. No key
 * is in it, only the SHA-256 of its public half. Pure.
 */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { AgentError } from "../base/errors.ts";
import { spkiSha256 } from "../identity/keys/sealed-key-provider.ts";
import { splitPem } from "../identity/pem.ts";
import type { GenerationContent } from "../identity/store/generation.ts";
import { formatNote, parseNote } from "../identity/store/json-note.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";

/** An identity that somebody brings, to be put in force as soon as that is possible. */
export interface PushedIdentity {
  /** In any order, PEM. */
  readonly chainPem: string;
  /** PEM; `undefined` keeps the trust bundle that is in force by then. */
  readonly trustBundlePem?: string | undefined;
  /** PEM, unencrypted; `undefined`: the key of the store, in force or pending, that a certificate names. */
  readonly privateKeyPem?: string | undefined;
  readonly origin: Extract<GenerationContent["origin"], "push" | "import">;
  /** Take also what fell back before, what is older, and another name: an operator insists. */
  readonly force?: boolean | undefined;
  /** The epoch of the store that signed material names. */
  readonly epoch?: string | undefined;
}

export interface InstallNote {
  readonly chainPem: string;
  readonly trustBundlePem?: string | undefined;
  readonly spkiSha256: string;
  /** The key that was made for it ahead (`key create`); it goes when its certificate is in force. */
  readonly pendingKey?: string | undefined;
  readonly origin: PushedIdentity["origin"];
  readonly force: boolean;
  readonly epoch?: string | undefined;
}

/** The last that was put in force: nothing below it counts any more. */
export interface InstallPosition {
  /** As given by whoever pushes; 0 for none. */
  readonly generation: number;
  /** Of its {@link InstallNote}; "" for none. */
  readonly digest: string;
}

export const POSITION_NOTE = "pushed-position";

const noteShape = v.object({
  ...{ chainPem: v.string(), trustBundlePem: v.optional(v.string()), spkiSha256: v.string() },
  ...{ pendingKey: v.optional(v.string()), origin: v.picklist(["push", "import"]) },
  ...{ force: v.boolean(), epoch: v.optional(v.string()) },
});
const positionShape = v.object({
  generation: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  digest: v.string(),
});

/** SHA-256 over what it says, hexadecimal: the same number must mean the same. */
export function installDigest(note: InstallNote): string {
  return createHash("sha256").update(formatInstallNote(note)).digest("hex");
}

export function formatInstallNote(note: InstallNote): string {
  const { chainPem, trustBundlePem, spkiSha256: spki, pendingKey, origin, force, epoch } = note;
  const members = { chainPem, trustBundlePem, spkiSha256: spki, pendingKey, origin, force, epoch };
  return JSON.stringify({ version: 1, ...members });
}

/**
 * @param text Of {@link formatInstallNote}.
 * @throws AgentError `ERR_STORE_CORRUPT` for that of a later version of the agent.
 */
export function parseInstallNote(text: string): InstallNote {
  const note = parseNote(noteShape, text);
  if (note !== undefined) return note;
  throw new AgentError("ERR_STORE_CORRUPT", "this version can't read what was pushed to another");
}

export function formatPosition({ generation, digest }: InstallPosition): Uint8Array {
  return formatNote({ generation, digest });
}

/** @throws AgentError `ERR_STORE_CORRUPT`: without it nobody knows what counts already. */
export function parsePosition(bytes: Uint8Array | undefined): InstallPosition {
  if (bytes === undefined) return { generation: 0, digest: "" };
  const position = parseNote(positionShape, bytes);
  if (position !== undefined) return position;
  throw new AgentError("ERR_STORE_CORRUPT", `this version can't read the note ${POSITION_NOTE}`);
}

/** @throws AgentError `ERR_CERT_INVALID`, `ERR_IMPORT_INVALID` when there is none. */
export function certificatesOf(chainPem: string): readonly Certificate[] {
  const found = splitPem(chainPem)
    .filter(({ label }) => label.endsWith("CERTIFICATE"))
    .map(({ text }) => parseCertificate(text));
  if (found.length > 0) return found;
  throw new AgentError("ERR_IMPORT_INVALID", "there is no certificate in what was pushed");
}

/** The certificate of that key, which all the others are for; `undefined` when there is none. */
export function leafOf(
  note: Pick<InstallNote, "chainPem" | "spkiSha256">,
): Certificate | undefined {
  return certificatesOf(note.chainPem).find(
    ({ publicKey }) => spkiSha256(publicKey) === note.spkiSha256,
  );
}
