/**
 * Very long strings in JSON, in and out, a piece at a time.
 *
 * `JSON.parse` and `JSON.stringify` make their result on V8's heap, two bytes for each character as
 * soon as one of them is beyond Latin-1: a body of 4 MiB becomes three strings of 8 MiB, more than the
 * heap of the agent. Pieces are small, their sum is collected in a buffer, and a long string that Node
 * decodes from a buffer lives outside of the heap.
 */

/** From so many UTF-16 units a string is worth the detour. */
export const LONG_TEXT = 128 * 1024;

const PIECE = 32 * 1024;
const BACKSLASH = 0x5c;

/**
 * What stands between the quotes of a JSON string, from `start` up to `end`.
 *
 * @returns `undefined` if an escape makes half of a surrogate pair.
 * @throws SyntaxError for a bad escape or a bare control character.
 */
export function unescapeLong(text: string, start: number, end: number): string | undefined {
  // No escape is shorter than what it stands for.
  const out = Buffer.allocUnsafe(Buffer.byteLength(text.slice(start, end)));
  let size = 0;
  let carried = "";
  for (let at = start; at < end; ) {
    const cut = end - at <= PIECE ? end : pieceEnd(text, at, at + PIECE);
    let piece: string = carried + JSON.parse(`"${text.slice(at, cut)}"`);
    // Half of a pair waits for its other half.
    carried = cut < end && isHigh(piece.charCodeAt(piece.length - 1)) ? piece.slice(-1) : "";
    if (carried !== "") piece = piece.slice(0, -1);
    if (!piece.isWellFormed()) return undefined;
    size += out.write(piece, size, "utf8");
    at = cut;
  }
  return out.toString("utf8", 0, size);
}

/** `text` in quotes, as JSON has it. Half surrogate pairs, which no reader accepts, become U+FFFD. */
export function quoteLong(text: string): string {
  const pieces: Buffer[] = [Buffer.from('"')];
  for (let at = 0; at < text.length; ) {
    let cut = Math.min(at + PIECE, text.length);
    if (cut < text.length && isHigh(text.charCodeAt(cut - 1))) cut -= 1;
    const piece = text.slice(at, cut).toWellFormed();
    pieces.push(Buffer.from(JSON.stringify(piece).slice(1, -1)));
    at = cut;
  }
  pieces.push(pieces[0] as Buffer);
  return Buffer.concat(pieces).toString("utf8");
}

/** At most `most`, and never amid an escape; `from` stands at the beginning of a character or escape. */
function pieceEnd(text: string, from: number, most: number): number {
  const last = text.lastIndexOf("\\", most - 1);
  // Six units are the longest escape.
  if (last < from || last < most - 6) return most;
  let first = last;
  while (first > from && text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
  // Backslashes pair up from the left; one that is left over begins an escape.
  return (last - first) % 2 === 0 ? last : most;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
