/**
 * Changes recorded messages at random: the kind of input that reaches deep into a parser, because most
 * of it is still right. Repeatable from its seed.
 */

/** Uniform in [0, 1), from a 32-bit seed (mulberry32). */
export function seededDraw(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What is dear to a parser: put in at random places. */
const TOKENS = [
  "\r\n",
  "\r",
  "\n",
  "\r\n\r\n",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "\x7f",
  "\x80",
  "\xff",
  "\xe2\x9c",
  "0\r\n\r\n",
  "ffffffffffffffff\r\n",
  "5\r\nabcde\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 99999999999999999999\r\n",
  "Content-Length: -1\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "Connection: close\r\n",
  "Expect: 100-continue\r\n",
  " folded\r\n",
  "HTTP/1.1",
  "HTTP/1.0",
  "HTTP/2.0",
  "POST / HTTP/1.1\r\n",
  "HTTP/1.1 200 OK\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\n",
  "\x16\x03\x01",
  "Micro-Error: EOS\r\n",
  "Timeout: 18446744073709551615\r\n",
  "Micro-Target: x\r\n",
  '{"code":0}',
  "[".repeat(200),
].map((token) => Buffer.from(token, "latin1"));

/** One to six changes to one of `seeds`. */
export function mutate(seeds: readonly Buffer[], draw: () => number): Buffer {
  const below = (limit: number): number => Math.floor(draw() * limit);
  const pick = <T>(list: readonly T[], other: T): T => list[below(list.length)] ?? other;
  const none = Buffer.alloc(0);
  let bytes = Buffer.from(pick(seeds, none));
  for (let change = below(6); change >= 0; change -= 1) {
    const at = below(bytes.length + 1);
    const length = 1 + below(draw() < 0.8 ? 8 : bytes.length + 1);
    const before = bytes.subarray(0, at);
    const after = bytes.subarray(at);
    const without = bytes.subarray(Math.min(bytes.length, at + length));
    const kinds: readonly (() => Buffer)[] = [
      () => flip(bytes, at, below(256)),
      () => flip(bytes, at, 1 << below(8)),
      () => Buffer.concat([before, without]),
      () => Buffer.concat([before, pick(TOKENS, none), after]),
      () => Buffer.concat([before, pick(TOKENS, none), without]),
      () => Buffer.concat([before, bytes.subarray(at, at + length), after]),
      () => Buffer.concat([before, pick(seeds, none).subarray(below(400))]),
      () => Buffer.from(before),
    ];
    bytes = Buffer.from(pick(kinds, () => bytes)());
  }
  return bytes;
}

function flip(bytes: Buffer, at: number, mask: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ mask;
  return changed;
}
