/**
 * Why a connection ends before there is a handshake to fail, and what a browser is told then.
 */
import type { HandshakeFailure } from "./node-error.ts";

const PLAIN_HTTP_WORDS =
  "This port speaks TLS, and you sent plain HTTP. Switch TLS on in the client.\n";
export const PLAIN_HTTP_REPLY = new TextEncoder().encode(
  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n" +
    `Content-Length: ${PLAIN_HTTP_WORDS.length}\r\nConnection: close\r\n\r\n${PLAIN_HTTP_WORDS}`,
);
export const PLAIN_HTTP: HandshakeFailure = {
  cause: "plain-http",
  words: "the peer speaks plain HTTP on a TLS port",
  fix: "switch TLS on in the peer",
};
export const NOT_TLS: HandshakeFailure = {
  cause: "not-tls",
  words: "what the peer sent is not TLS",
  fix: "check which program connects here, and that it uses TLS",
};
export const TIMEOUT: HandshakeFailure = {
  cause: "timeout",
  words: "the peer did not finish the handshake in time",
  fix: "check the network between the two; raise rpc.handshake_timeout_ms on very slow links",
};
