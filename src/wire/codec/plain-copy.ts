/**
 * A copy of a value that code of others made, with nothing of theirs in it: null, booleans, finite
 * numbers, 64-bit integers, strings, bytes, arrays, and objects that inherit nothing. Getters and
 * proxies are asked once, here; whoever holds the copy runs no code of theirs.
 *
 * Two kinds of faults are told apart, because different people are to blame. A {@link FieldFault}: the
 * value is of a right kind and beyond a limit, as a hostile body can make it. A {@link NotPlain}: no
 * body should make a codec return this (a function, a promise, a class instance, an endless loop).
 */
import { FieldFault, memberStep } from "./body-fault.ts";
import type { CustomLimits } from "./custom-limits.ts";
import { Members } from "./json-value.ts";
import { MAX_VALUES } from "./limits.ts";

export type PlainValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PlainValue[]
  | { readonly [member: string]: PlainValue };

/** A value of a kind that does not cross. */
export class NotPlain extends FieldFault {}

const MIN_INTEGER = -(2n ** 63n);
const MAX_INTEGER = 2n ** 64n - 1n;

/**
 * @param maxText UTF-16 units and bytes of all strings together.
 * @throws NotPlain
 * @throws FieldFault with the path to what is beyond a limit. Whatever a getter throws.
 */
export function plainCopy(value: unknown, limits: CustomLimits, maxText: number): PlainValue {
  return new Copier(limits, maxText).copy(value);
}

class Copier {
  readonly #limits: CustomLimits;
  readonly #maxText: number;
  /** Objects that we are inside of. */
  readonly #around: object[] = [];
  #values = 0;
  #text = 0;

  constructor(limits: CustomLimits, maxText: number) {
    this.#limits = limits;
    this.#maxText = maxText;
  }

  copy(value: unknown): PlainValue {
    switch (typeof value) {
      case "string":
        return this.#string(value);
      case "boolean":
        return value;
      case "number":
        return this.#number(value);
      case "bigint":
        return this.#bigint(value);
      case "object":
        return value === null ? null : this.#object(value);
      default:
        throw new NotPlain(value === undefined ? "undefined" : `a ${typeof value}`);
    }
  }

  #string(text: string): string {
    this.#countText(text.length, "characters");
    if (!text.isWellFormed()) throw new FieldFault("the string has half of a surrogate pair");
    return text;
  }

  #countText(length: number, unit: string): void {
    const { maxStringLength } = this.#limits;
    if (length > maxStringLength) throw new FieldFault(`longer than ${maxStringLength} ${unit}`);
    this.#text += length;
    if (this.#text > this.#maxText) {
      throw new FieldFault(`more than ${this.#maxText} characters and bytes in one body`);
    }
  }

  #number(value: number): number {
    if (!Number.isFinite(value)) throw new FieldFault(`expected a finite number, got ${value}`);
    this.#range(value);
    return value;
  }

  #bigint(value: bigint): bigint {
    if (value < MIN_INTEGER || value > MAX_INTEGER) {
      throw new FieldFault("expected a number of at most 64 bits");
    }
    this.#range(value);
    return value;
  }

  #range(value: number | bigint): void {
    const { minNumber, maxNumber } = this.#limits;
    if (value >= minNumber && value <= maxNumber) return;
    throw new FieldFault(`expected a number from ${minNumber} to ${maxNumber}, got ${value}`);
  }

  #object(value: object): PlainValue {
    if (ArrayBuffer.isView(value)) return this.#bytes(value);
    if (this.#around.includes(value)) throw new NotPlain("an object inside itself");
    const { maxDepth } = this.#limits;
    if (this.#around.length >= maxDepth) {
      throw new FieldFault(`nested more than ${maxDepth} levels deep`);
    }
    this.#around.push(value);
    const copy = Array.isArray(value) ? this.#array(value) : this.#members(value);
    this.#around.pop();
    return copy;
  }

  #bytes(view: ArrayBufferView): Uint8Array {
    if (!(view instanceof Uint8Array)) throw new NotPlain("a view that is no Uint8Array");
    this.#countText(byteLengthOf(view), "bytes");
    return new Uint8Array(view);
  }

  #array(array: readonly unknown[]): PlainValue {
    const { length } = array;
    const { maxArrayLength } = this.#limits;
    if (length > maxArrayLength) throw new FieldFault(`more than ${maxArrayLength} elements`);
    const copy: PlainValue[] = [];
    for (let index = 0; index < length; index++) {
      this.#count();
      copy.push(this.#under(`[${index}]`, array[index]));
    }
    return copy;
  }

  #members(object: object): PlainValue {
    const prototype: unknown = Object.getPrototypeOf(object);
    if (prototype !== null && prototype !== Object.prototype && prototype !== Members.prototype) {
      throw new NotPlain("an object with a class or a prototype of its own");
    }
    const names = Object.keys(object);
    const { maxKeys } = this.#limits;
    if (names.length > maxKeys) throw new FieldFault(`more than ${maxKeys} members`);
    const copy = new Members<PlainValue>();
    for (const name of names) {
      this.#count();
      this.#string(name);
      const member = (object as Readonly<Record<string, unknown>>)[name];
      // As in JSON: a member that is undefined is not there.
      if (member !== undefined) copy[name] = this.#under(memberStep(name), member);
    }
    return copy;
  }

  #under(step: string, value: unknown): PlainValue {
    try {
      return this.copy(value);
    } catch (thrown) {
      throw thrown instanceof FieldFault ? thrown.under(step) : thrown;
    }
  }

  #count(): void {
    if (++this.#values > MAX_VALUES) {
      throw new FieldFault(`more than ${MAX_VALUES} members and elements in one body`);
    }
  }
}

const BYTE_LENGTH = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  "byteLength",
)?.get as () => number;

/** The true length: a subclass may tell another. */
export function byteLengthOf(bytes: Uint8Array): number {
  return BYTE_LENGTH.call(bytes);
}
