/**
 * Decimal numbers in text, exactly: what JSON's number grammar allows (RFC 8259 section 6), bounded
 * so that no text costs more than its length.
 */

/** Longest number that is read. A double written in full takes up to 1,077 characters. */
export const MAX_NUMBER_CHARS = 1100;

const NUMBER = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Digits of 2^64. An exact integer made from an exponent is never longer. */
const MAX_EXPONENT_DIGITS = 20;

/**
 * The integer that `text` stands for, exactly: `7`, `-0`, `1.50e2`. `undefined` if it is not a
 * number in JSON's grammar, has a fraction, or is an exponent form of more than 20 digits.
 */
export function exactInteger(text: string): bigint | undefined {
  if (text.length > MAX_NUMBER_CHARS) return undefined;
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponentText] = match;
  if (fraction === "" && exponentText === undefined) return BigInt(text);
  const digits = (whole + fraction).replace(/^0+/, "");
  if (digits === "") return 0n;
  let length = digits.length;
  while (digits.charCodeAt(length - 1) === 0x30) length--;
  const significant = digits.slice(0, length);
  // An exponent of a thousand digits becomes Infinity, which is only too long.
  const zeros = digits.length - significant.length + Number(exponentText ?? 0) - fraction.length;
  if (zeros < 0 || significant.length + zeros > MAX_EXPONENT_DIGITS) return undefined;
  return BigInt(sign + significant + "0".repeat(zeros));
}

/** The double nearest to `text`, or `undefined` if it is not in JSON's grammar. May be infinite. */
export function nearestDouble(text: string): number | undefined {
  return text.length <= MAX_NUMBER_CHARS && NUMBER.test(text) ? Number(text) : undefined;
}
