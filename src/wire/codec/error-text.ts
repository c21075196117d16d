/** Error texts that travel inside a body: bounded, on one line. */

/** Characters of an error text that are sent. */
const MAX_SENT = 4096;
/** Characters of a peer's error text that are kept. */
const MAX_KEPT = 16_384;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** `text` fit to be sent: control characters and line ends become spaces, half surrogates U+FFFD. */
export function sentError(text: string): string {
  return cut(text, MAX_SENT).replace(CONTROL, " ").toWellFormed();
}

/** A peer's error text as it stands, cut. */
export function keptError(text: string): string {
  return cut(text, MAX_KEPT);
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}...` : text;
}
