/**
 * What an EST server wants to find in a request (RFC 7030 section 4.5, `CsrAttrs`), as far as this device can
 * do something about it: the kind of key, and a challenge password. What isn't known is to be ignored. Pure.
 */
import { isAgentError } from "../base/errors.ts";
import { DerFields } from "../identity/exchange/der-fields.ts";
import type { KeyAlgorithm } from "../identity/keys/key-provider.ts";
import { DER_TAG } from "../identity/x509/der.ts";

const WHAT = "the list of wanted attributes";
/** RFC 2985 section 5.4.1; in EST it carries tls-unique (section 3.5), which TLS 1.3 has no more. */
const CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7";
const EC_KEY = "1.2.840.10045.2.1";
const KEYS: Readonly<Record<string, KeyAlgorithm>> = {
  "1.2.840.113549.1.1.1": "rsa",
  "1.3.101.112": "ed25519",
};
const CURVES: Readonly<Record<string, KeyAlgorithm>> = {
  "1.2.840.10045.3.1.7": "ecdsa-p256",
  "1.3.132.0.34": "ecdsa-p384",
};

export interface WantedAttributes {
  readonly challengePassword: boolean;
  /** Kinds of keys, one of which it wants; empty when any will do. What we can't make is `other`. */
  readonly keys: readonly (KeyAlgorithm | "other")[];
}

/**
 * @param text Base64 of the DER, as it travels.
 * @returns `undefined` for what can't be read.
 */
export function wantedAttributes(text: Uint8Array): WantedAttributes | undefined {
  const keys: (KeyAlgorithm | "other")[] = [];
  let challengePassword = false;
  try {
    const der = Buffer.from(Buffer.from(text).toString("latin1"), "base64");
    const list = DerFields.ofSequence(der, WHAT);
    while (!list.done) {
      const attribute = list.tag === DER_TAG.sequence ? list.nested() : undefined;
      const oid = (attribute ?? list).oid();
      if (oid === CHALLENGE_PASSWORD) challengePassword = true;
      else if (oid === EC_KEY) keys.push(...curvesOf(attribute));
      else if (KEYS[oid] !== undefined) keys.push(KEYS[oid]);
    }
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
  return { challengePassword, keys };
}

function curvesOf(attribute: DerFields | undefined): readonly (KeyAlgorithm | "other")[] {
  // No curve is named: any will do.
  if (attribute === undefined || attribute.done) return ["ecdsa-p256", "ecdsa-p384"];
  const values = attribute.nested(DER_TAG.set);
  const found: (KeyAlgorithm | "other")[] = [];
  while (!values.done) found.push(CURVES[values.oid()] ?? "other");
  return found;
}

/** What of it this request does not have, in words; `undefined` when nothing is known to be missing. */
export function unmet(
  { challengePassword, keys }: WantedAttributes,
  own: KeyAlgorithm,
): { readonly words: string; readonly fix: string } | undefined {
  if (keys.length > 0 && !keys.includes(own)) {
    const wanted = [...new Set(keys)];
    const makable = wanted.filter((each) => each !== "other" && each !== "rsa");
    const fix =
      makable.length === 0
        ? "no such key can be made on this device: have the authority take others, or import a key"
        : `enrol with another kind of key: microedge enroll --algorithm ${makable.join(" or ")}`;
    return { words: `it wants a key of the kind ${wanted.join(" or ")}, not ${own}`, fix };
  }
  if (!challengePassword) return undefined;
  return {
    words:
      "it wants a challenge password that ties the request to the connection (RFC 7030 section 3.5)",
    fix: "TLS 1.3 has nothing to make one of: have the authority do without",
  };
}
