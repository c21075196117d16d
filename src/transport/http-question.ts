/**
 * One HTTP/1.1 request on a connection of its own that stands already, plain or TLS. Nothing is kept open
 * behind it: the caller destroys the socket.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";

export interface HttpQuestion {
  readonly url: URL;
  /** `undefined` asks by GET. */
  readonly post?:
    | { readonly contentType?: string | undefined; readonly body: string | Uint8Array }
    | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const MAX_HEADER_BYTES = 16_384;

/**
 * Resolves with what `read` makes of the answer.
 *
 * @param read Called when the head of the answer is there; reads the body.
 * @throws What the connection or `read` throws.
 */
export function askOnce<T>(
  socket: Socket,
  { url, post, headers = {} }: HttpQuestion,
  read: (response: IncomingMessage) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket,
      signal,
      method: post === undefined ? "GET" : "POST",
      path: `${url.pathname}${url.search}`,
      headers: {
        Host: url.host,
        Connection: "close",
        "User-Agent": "microedge",
        ...(post === undefined ? {} : { "Content-Length": String(Buffer.byteLength(post.body)) }),
        ...(post?.contentType === undefined ? {} : { "Content-Type": post.contentType }),
        ...headers,
      },
      maxHeaderSize: MAX_HEADER_BYTES,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      response.on("error", reject);
      read(response).then(resolve, reject);
    });
    request.end(post?.body);
  });
}

/** Where a URL leads: its host without brackets, and its port. */
export function targetOf({ hostname, port, protocol }: URL): {
  readonly host: string;
  readonly port: number;
} {
  const host = hostname.replace(/^\[|\]$/g, "");
  return { host, port: Number(port) || (protocol === "https:" ? 443 : 80) };
}
