/**
 * Node's `getPeerX509Certificate()` leaks: each connection on which it is called costs about 4.5 KB that
 * no garbage collection gives back (measured with 24.21; docs/decisions/0007). Node itself calls it for
 * every verified client, so it is not enough to stay away from it. Here both of its forms are replaced
 * by ones that build on the older `getPeerCertificate(false)`, which does not leak.
 *
 * To be dropped when test/fault/peer-certificate-leak.test.ts says that Node is cured.
 */
import type { X509Certificate } from "node:crypto";
import { duplexPair } from "node:stream";
import { createSecureContext, TLSSocket } from "node:tls";
import { x509Of } from "../identity/x509/certificate.ts";

/** What the native side of a TLS socket has, as far as it matters here. */
interface NativeSide {
  getPeerCertificate(detailed: boolean): unknown;
  getPeerX509Certificate(): unknown;
}

/** Marks the replacement: whether it stands is asked of Node's object, not remembered beside it. */
const REPLACED = Symbol("microedge.peer-certificate");

/**
 * Replaces the leaking methods for all sockets of this process, once. Ask before the first handshake of
 * a server: afterwards Node has looked.
 *
 * @param specimen Any TLS socket, to get at the native methods; by default one is made and thrown away.
 * @returns `false` when this Node is built differently. Nothing is replaced then, and nothing fails.
 */
export function stopCertificateLeak(specimen?: TLSSocket): boolean {
  if (specimen === undefined && REPLACED in TLSSocket.prototype) return true;
  const socket = specimen ?? makeSpecimen();
  const native = nativeSide(socket);
  if (specimen === undefined) socket.destroy();
  if (native === undefined) return false;
  TLSSocket.prototype.getPeerX509Certificate = function (this: TLSSocket) {
    return leafOf(this);
  };
  // Node only asks whether there is one.
  native.getPeerX509Certificate = function (this: NativeSide) {
    return this.getPeerCertificate(false);
  };
  Object.defineProperty(TLSSocket.prototype, REPLACED, { value: true });
  return true;
}

/**
 * The certificate that the peer showed. Without its issuers; can be asked again and again.
 *
 * @returns `undefined` without one, and for a server's resumed session.
 */
export function leafOf(socket: TLSSocket): X509Certificate | undefined {
  const der = (socket.getPeerCertificate(false) as { raw?: Uint8Array } | null)?.raw;
  return der === undefined ? undefined : x509Of(der);
}

/** Connected to nothing. Without authorities: Node's own would be read, which takes long. */
function makeSpecimen(): TLSSocket {
  const [near] = duplexPair();
  const socket = new TLSSocket(near, { secureContext: createSecureContext({ ca: [] }) });
  return socket.on("error", () => undefined);
}

/** The object that holds the native methods, the prototype of all native sides. */
function nativeSide(socket: TLSSocket): NativeSide | undefined {
  let at: unknown = (socket as unknown as { readonly _handle?: unknown })._handle;
  while (typeof at === "object" && at !== null) {
    if (Object.hasOwn(at, "getPeerX509Certificate")) {
      const { getPeerCertificate } = at as Partial<NativeSide>;
      return typeof getPeerCertificate === "function" ? (at as NativeSide) : undefined;
    }
    at = Object.getPrototypeOf(at);
  }
  return undefined;
}
