/**
 * The time, signed by the fleet: the only thing that may lower the floor of trusted time. A statement
 * answers one challenge of one device, so that it can't be kept and played again.
 *
 * What is signed (Ed25519, RFC 8032) is text, five lines, each ended by a line feed, no more and no less:
 *
 * ```
 * microedge-time-v1
 * device:<name>
 * epoch:<32 hexadecimal digits>
 * nonce:<64 hexadecimal digits>
 * time:<Unix milliseconds, decimal>
 * ```
 *
 * It travels as JSON with the same members, `key` and `signature`; the text is made again from the
 * members, so there is one spelling only. Described in `docs/time.md`. Pure.
 */
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { AgentError } from "../../base/errors.ts";

/** What a statement says. */
export interface TimeStatement {
  /** Who asked: the SPIFFE ID of the device, else the common name of its certificate. */
  readonly device: string;
  /** Of the certificate store. */
  readonly epoch: string;
  readonly nonce: string;
  /** Unix ms. */
  readonly time: number;
}

export interface SignedStatement extends TimeStatement {
  /** Id of the fleet key that signed. */
  readonly key: string;
  readonly signature: Uint8Array;
}

/** Who signs for the fleet; `FleetSigningKey` is one. */
export interface FleetSigner {
  readonly key: FleetKey;
  /** Ed25519, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

export interface FleetKey {
  /** The first 16 hexadecimal digits of the SHA-256 of the 32 bytes of the key. */
  readonly id: string;
  readonly publicKey: KeyObject;
}

/** A statement needs less than a quarter of it; checked before anything is parsed. */
export const MAX_STATEMENT_BYTES = 4096;
const MAX_DEVICE = 2048;
/** The last moment that a Date can hold (ECMA-262, "Time Values"). */
const MAX_TIME_MS = 8.64e15;
const MEMBERS = ["device", "epoch", "key", "nonce", "signature", "time", "v"];
/** What a control character in a name would do to the lines. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** The bytes that are signed. */
export function statementBytes({ device, epoch, nonce, time }: TimeStatement): Uint8Array {
  const lines = ["microedge-time-v1", `device:${device}`, `epoch:${epoch}`, `nonce:${nonce}`];
  return new TextEncoder().encode(`${[...lines, `time:${time}`].join("\n")}\n`);
}

/**
 * Reads a statement. That it can be read says nothing about who made it.
 *
 * @throws AgentError `ERR_TIME_STATEMENT` naming what is wrong with it.
 */
export function parseStatement(text: string): SignedStatement {
  if (text.length > MAX_STATEMENT_BYTES)
    throw malformed(`longer than ${MAX_STATEMENT_BYTES} bytes`);
  const members = readMembers(text);
  const device = textMember(members, "device");
  if (device === "" || device.length > MAX_DEVICE || CONTROL.test(device)) {
    throw malformed(`"device" must be 1 to ${MAX_DEVICE} characters, without control characters`);
  }
  const { time } = members;
  if (typeof time !== "number" || !Number.isInteger(time) || time < 0 || time > MAX_TIME_MS) {
    throw malformed('"time" must be a whole number of milliseconds since 1970');
  }
  const signature = textMember(members, "signature");
  const bytes = Buffer.from(signature, "base64");
  if (bytes.length !== 64 || bytes.toString("base64") !== signature) {
    throw malformed('"signature" must be 64 bytes in base64');
  }
  return {
    device,
    epoch: hexMember(members, "epoch", 32),
    nonce: hexMember(members, "nonce", 64),
    time,
    key: hexMember(members, "key", 16),
    signature: new Uint8Array(bytes),
  };
}

/** A statement as it travels. */
export function formatStatement(statement: SignedStatement): string {
  const { device, epoch, nonce, time, key, signature } = statement;
  const text = Buffer.from(signature).toString("base64");
  return JSON.stringify({ v: 1, device, epoch, nonce, time, key, signature: text });
}

export function signStatement(statement: TimeStatement, signer: FleetSigner): SignedStatement {
  const { device, epoch, nonce, time } = statement;
  const signature = signer.sign(statementBytes(statement));
  return { device, epoch, nonce, time, key: signer.key.id, signature };
}

/** Whether one of `keys` signed it; `unknown-key` when it names none of them. */
export function verifyStatement(
  statement: SignedStatement,
  keys: readonly FleetKey[],
): "good" | "bad-signature" | "unknown-key" {
  const key = keys.find(({ id }) => id === statement.key);
  if (key === undefined) return "unknown-key";
  const good = verify(null, statementBytes(statement), key.publicKey, statement.signature);
  return good ? "good" : "bad-signature";
}

/**
 * Reads `ed25519:` and the 32 bytes of a public key in base64, as the configuration holds them.
 *
 * @throws AgentError `ERR_TIME_STATEMENT` if it is none.
 */
export function parseFleetKey(text: string): FleetKey {
  const [, base64 = ""] = /^ed25519:([A-Za-z0-9+/]{43}=)$/.exec(text) ?? [];
  const raw = Buffer.from(base64, "base64");
  if (raw.length !== 32 || raw.toString("base64") !== base64) {
    throw malformed("a fleet key must be `ed25519:` and the 32 bytes of the public key in base64");
  }
  const publicKey = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") },
    format: "jwk",
  });
  const id = createHash("sha256").update(raw).digest("hex").slice(0, 16);
  return { id, publicKey };
}

function readMembers(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What stands there is somebody else's; quoting it helps nobody.
    throw malformed("it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed("it is not a JSON object");
  }
  const names = Object.keys(value).sort();
  if (names.join() !== MEMBERS.join()) {
    throw malformed(`it must have the members ${MEMBERS.join(", ")} and no others`);
  }
  const members = value as Readonly<Record<string, unknown>>;
  if (members["v"] !== 1) throw malformed('"v" must be 1');
  return members;
}

function textMember(members: Readonly<Record<string, unknown>>, name: string): string {
  const value = members[name];
  if (typeof value !== "string") throw malformed(`"${name}" must be a text`);
  return value;
}

function hexMember(
  members: Readonly<Record<string, unknown>>,
  name: string,
  digits: number,
): string {
  const value = textMember(members, name);
  if (value.length !== digits || !/^[0-9a-f]+$/.test(value)) {
    throw malformed(`"${name}" must be ${digits} hexadecimal digits in small letters`);
  }
  return value;
}

function malformed(what: string): AgentError {
  return new AgentError("ERR_TIME_STATEMENT", `time statement is malformed: ${what}`);
}
