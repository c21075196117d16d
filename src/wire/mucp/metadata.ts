/**
 * The caller's metadata: the headers of a message without those that belong to the transport (framing,
 * hop-by-hop, `Accept`, `Content-Type`, `User-Agent`, `Timeout`, and the call headers `Micro-*` with
 * their `X-Micro-*` copies). What stays is what a caller put there, `Authorization`, `Micro-Trace-Id`,
 * `Micro-Span-Id`, `Micro-Namespace` and `Micro-From-Service` included. go-micro shows a handler
 * everything; but then nothing can be handed on to another call without thinking.
 */
import { isTransportHeader } from "./header-names.ts";
import type { MessageHeaders } from "./message.ts";

/** A view: most handlers never look, so nothing is copied. Names are lower case. */
export class MetadataView implements ReadonlyMap<string, string> {
  readonly #headers: MessageHeaders;

  constructor(headers: MessageHeaders) {
    this.#headers = headers;
  }

  /** @param name In any case. */
  get(name: string): string | undefined {
    const key = name.toLowerCase();
    return isTransportHeader(key) ? undefined : this.#headers.get(key);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  get size(): number {
    let size = 0;
    for (const name of this.#headers.keys()) if (!isTransportHeader(name)) size += 1;
    return size;
  }

  *entries(): MapIterator<[string, string]> {
    for (const entry of this.#headers) if (!isTransportHeader(entry[0])) yield entry;
  }

  *keys(): MapIterator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): MapIterator<string> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.entries();
  }

  forEach(callback: (value: string, name: string, map: ReadonlyMap<string, string>) => void): void {
    for (const [name, value] of this.entries()) callback(value, name, this);
  }
}

/** A request header that no server sends of itself: in a reply it is a copy. */
const COPIED = "accept";

/**
 * The metadata of a reply, without what is only a copy: a go-micro server puts the headers of the
 * connection's first request, `Authorization` and `Cookie` included, into every reply on it, also into
 * those to other callers (`docs/wire.md`, "Headers").
 *
 * @param first Names of the metadata that went out with the first request on the connection.
 */
export function replyMetadata(
  headers: MessageHeaders,
  first: Iterable<readonly [name: string, value: string]>,
): ReadonlyMap<string, string> {
  const view = new MetadataView(headers);
  if (!headers.has(COPIED)) return view;
  const own = new Map(view);
  for (const [name] of first) own.delete(name.toLowerCase());
  return own;
}
