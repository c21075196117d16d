/**
 * A trust bundle, signed by the fleet: how a device learns new roots without trusting what it meets. Updates
 * form a chain: each names the bundle before it, so a device that was away for generations of roots takes
 * them one after another, or begins at one that stands on its own (`previous` is `any`), as the pin of last
 * resort signs it.
 *
 * What is signed (Ed25519, RFC 8032) is text, eight lines, each ended by a line feed, no more and no less:
 *
 * ```
 * microedge-trust-v1
 * device:<name, or any>
 * epoch:<32 hexadecimal digits, or any>
 * sequence:<decimal, from 1>
 * previous:<SHA-256 of the bundle before, 64 hexadecimal digits, or any>
 * bundle:<SHA-256 of the bundle, 64 hexadecimal digits>
 * not-before:<Unix milliseconds, decimal>
 * not-after:<Unix milliseconds, decimal>
 * ```
 *
 * It travels as one line of JSON with the same members, the bundle as PEM, `key` and `signature`. The digest
 * of a bundle is that of its authorities' fingerprints, sorted, a line each: how the PEM is written does not
 * matter. Described in docs/rotation.md. Pure.
 */
import { createHash, verify } from "node:crypto";
import { AgentError } from "../base/errors.ts";
import type { FleetKey, FleetSigner } from "../identity/time/time-statement.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";

export const ANY = "any";

export interface TrustUpdate {
  readonly device: string;
  readonly epoch: string;
  readonly sequence: number;
  readonly previous: string;
  /** PEM. */
  readonly bundle: string;
  /** Unix ms. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface SignedTrustUpdate extends TrustUpdate {
  /** Id of the key that signed. */
  readonly key: string;
  readonly signature: Uint8Array;
}

/** Of one update. */
const MAX_UPDATE_CHARACTERS = 262_144;
/** A bundle as JSON: the device keeps the last one in a note of its store. Some 30 roots, 80 with small keys. */
const MAX_BUNDLE_BYTES = 61_440;
/** Of a file with a chain of them; checked before anything is parsed. */
export const MAX_CHAIN_CHARACTERS = 1_048_576;
const MAX_UPDATES = 64;
const MAX_TIME_MS = 8.64e15;
const MEMBERS = [
  ...["bundle", "device", "epoch", "key", "notAfter", "notBefore"],
  ...["previous", "sequence", "signature", "v"],
];
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** SHA-256 over the fingerprints, hexadecimal. @throws AgentError `ERR_CERT_INVALID`. */
export function bundleDigest(bundlePem: string): string {
  const prints = new Set(parseTrustBundle(bundlePem).map(({ summary }) => summary.fingerprint));
  const text = [...prints].sort().map((print) => `${print}\n`);
  return createHash("sha256").update(text.join("")).digest("hex");
}

/** The bytes that are signed. */
export function trustUpdateBytes(update: TrustUpdate): Uint8Array {
  const { device, epoch, sequence, previous, bundle, notBefore, notAfter } = update;
  const lines = [
    ...["microedge-trust-v1", `device:${device}`, `epoch:${epoch}`, `sequence:${sequence}`],
    ...[`previous:${previous}`, `bundle:${bundleDigest(bundle)}`],
    ...[`not-before:${notBefore}`, `not-after:${notAfter}`],
  ];
  return new TextEncoder().encode(`${lines.join("\n")}\n`);
}

export function signTrustUpdate(update: TrustUpdate, signer: FleetSigner): SignedTrustUpdate {
  return { ...update, key: signer.key.id, signature: signer.sign(trustUpdateBytes(update)) };
}

/** An update as it travels: one line. */
export function formatTrustUpdate(update: SignedTrustUpdate): string {
  const { device, epoch, sequence, previous, bundle, notBefore, notAfter, key } = update;
  const signature = Buffer.from(update.signature).toString("base64");
  const members = { device, epoch, sequence, previous, notBefore, notAfter, bundle };
  return JSON.stringify({ v: 1, ...members, key, signature });
}

/**
 * Reads a file of updates, one a line, in any order; that they can be read says nothing about who made them.
 *
 * @returns By sequence; of two with the same number the first.
 * @throws AgentError `ERR_TRUST_UPDATE` naming the line and what is wrong with it.
 */
export function parseTrustUpdates(text: string): readonly SignedTrustUpdate[] {
  if (text.length > MAX_CHAIN_CHARACTERS) {
    throw malformed(`the file is longer than ${MAX_CHAIN_CHARACTERS} characters`);
  }
  const lines = linesOf(text);
  if (lines.length === 0) throw malformed("the file holds none");
  const updates = lines.map(({ line, number }) => parseLine(line, number));
  return updates.toSorted((a, b) => a.sequence - b.sequence);
}

/** Whether one of `keys` signed it. */
export function verifyTrustUpdate(
  update: SignedTrustUpdate,
  keys: readonly FleetKey[],
): "good" | "bad-signature" | "unknown-key" {
  const key = keys.find(({ id }) => id === update.key);
  if (key === undefined) return "unknown-key";
  const good = verify(null, trustUpdateBytes(update), key.publicKey, update.signature);
  return good ? "good" : "bad-signature";
}

/** Those that are not empty. One after another: a file of nothing but short lines would fill a small heap. */
function linesOf(text: string): readonly { readonly line: string; readonly number: number }[] {
  const lines: { readonly line: string; readonly number: number }[] = [];
  for (let at = 0, number = 1; at < text.length; number++) {
    const feed = text.indexOf("\n", at);
    const end = feed === -1 ? text.length : feed;
    const line = text.slice(at, end);
    if (line.trim() !== "") lines.push({ line, number });
    if (lines.length > MAX_UPDATES) throw malformed(`the file holds more than ${MAX_UPDATES}`);
    at = end + 1;
  }
  return lines;
}

function parseLine(line: string, number: number): SignedTrustUpdate {
  const fault = (what: string): AgentError => malformed(`line ${number}: ${what}`);
  if (line.length > MAX_UPDATE_CHARACTERS) throw fault("it is too long");
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw fault("it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw fault("it is not a JSON object");
  }
  const members = value as Readonly<Record<string, unknown>>;
  if (Object.keys(members).sort().join() !== MEMBERS.join()) {
    throw fault(`it must have the members ${MEMBERS.join(", ")} and no others`);
  }
  if (members["v"] !== 1) throw fault('"v" must be 1');
  const text = (name: string, form: RegExp, what: string): string => {
    const found = members[name];
    if (typeof found === "string" && form.test(found) && !CONTROL.test(found)) return found;
    throw fault(`"${name}" must be ${what}`);
  };
  const whole = (name: string, least: number): number => {
    const found = members[name];
    if (typeof found === "number" && Number.isSafeInteger(found)) {
      if (found >= least && found <= MAX_TIME_MS) return found;
    }
    throw fault(`"${name}" must be a whole number from ${least}`);
  };
  const { bundle, signature } = members;
  if (typeof bundle !== "string") throw fault('"bundle" must be a text');
  const bundleBytes = Buffer.byteLength(JSON.stringify(bundle));
  if (bundleBytes > MAX_BUNDLE_BYTES) {
    throw fault(`"bundle" has ${bundleBytes} bytes; a device takes ${MAX_BUNDLE_BYTES}`);
  }
  const bytes = Buffer.from(typeof signature === "string" ? signature : "", "base64");
  if (bytes.length !== 64 || bytes.toString("base64") !== signature) {
    throw fault('"signature" must be 64 bytes in base64');
  }
  try {
    parseTrustBundle(bundle);
  } catch (error) {
    const why = error instanceof Error ? error.message : "";
    throw fault(`"bundle" is no trust bundle: ${why}`);
  }
  return {
    bundle,
    device: text("device", /^.{1,2048}$/, "a name, or any"),
    epoch: text("epoch", /^(?:[0-9a-f]{32}|any)$/, "32 hexadecimal digits, or any"),
    sequence: whole("sequence", 1),
    previous: text("previous", /^(?:[0-9a-f]{64}|any)$/, "64 hexadecimal digits, or any"),
    notBefore: whole("notBefore", 0),
    notAfter: whole("notAfter", 0),
    key: text("key", /^[0-9a-f]{16}$/, "16 hexadecimal digits"),
    signature: new Uint8Array(bytes),
  };
}

function malformed(what: string): AgentError {
  return new AgentError("ERR_TRUST_UPDATE", `trust update is malformed: ${what}`);
}
