/** Error texts that travel inside a body: bounded, on one line. */

/** Characters of an error text that are sent or kept: more than any go-micro error of ours has. */
const MAX_CHARS = 16_384;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** `text` fit to be sent: control characters and line ends become spaces, half surrogates U+FFFD. */
export function sentError(text: string): string {
  return cut(text).replace(CONTROL, " ").toWellFormed();
}

/** A peer's error text as it stands, cut. */
export function keptError(text: string): string {
  return cut(text);
}

function cut(text: string): string {
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}...` : text;
}
