/**
 * Reading the fields of key files and PKCS#12 out of DER, with errors that say so. Pure.
 */
import { AgentError } from "../../base/errors.ts";
import { DER_TAG, type DerElement, formatOid, readElements } from "../x509/der.ts";

/** Walks over the elements of one constructed element; each must be what is asked for. */
export class DerFields {
  readonly #elements: readonly DerElement[];
  readonly #what: string;
  #at = 0;

  /** @param what names the structure in errors. */
  constructor(content: Uint8Array, what: string) {
    this.#what = what;
    this.#elements = elementsOf(content, what);
  }

  /** The fields of the one SEQUENCE that `bytes` holds. */
  static ofSequence(bytes: Uint8Array, what: string): DerFields {
    const outer = new DerFields(bytes, what);
    const fields = outer.nested(DER_TAG.sequence);
    if (!outer.done) throw damaged(what, "something follows its end");
    return fields;
  }

  get done(): boolean {
    return this.#at >= this.#elements.length;
  }

  /** The tag of what comes next; `undefined` at the end. */
  get tag(): number | undefined {
    return this.#elements[this.#at]?.tag;
  }

  take(tag: number): Uint8Array {
    const next = this.#elements[this.#at];
    if (next?.tag !== tag) throw damaged(this.#what, `a field of tag ${tag} is missing`);
    this.#at++;
    return next.content;
  }

  skip(): void {
    this.#at++;
  }

  nested(tag: number = DER_TAG.sequence): DerFields {
    return new DerFields(this.take(tag), this.#what);
  }

  oid(): string {
    try {
      return formatOid(this.take(DER_TAG.oid));
    } catch {
      throw damaged(this.#what, "an object identifier is missing or ill-formed");
    }
  }

  /** A whole number of at most six octets. */
  integer(): number {
    const octets = this.take(DER_TAG.integer);
    if (octets.length === 0 || octets.length > 7 || (octets[0] ?? 0) > 0x7f) {
      throw damaged(this.#what, "a number is negative or enormous");
    }
    return octets.reduce((value, octet) => value * 256 + octet, 0);
  }
}

/** That bytes are not what they should be; never with the bytes. */
export function damaged(what: string, why: string): AgentError {
  return new AgentError(
    "ERR_IMPORT_INVALID",
    `${what} is damaged or not what it should be: ${why}`,
  );
}

function elementsOf(content: Uint8Array, what: string): DerElement[] {
  try {
    return readElements(content);
  } catch {
    throw damaged(what, "its DER has a length that leads nowhere");
  }
}
