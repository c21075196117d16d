/**
 * What the peer of a TLS socket showed: its certificate, read once, and OpenSSL's verdict on it.
 */
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { errorText } from "../base/errors.ts";
import { type Judgement, judgePeer } from "../identity/judgement.ts";
import type { CheckContext } from "../identity/peer-checks.ts";
import type { TrustBundle } from "../identity/trust-bundle.ts";
import { type Certificate, readCertificate } from "../identity/x509/certificate.ts";
import { leafOf } from "./peer-certificate-leak.ts";
import { sentChain } from "./sent-chain.ts";

export interface JudgedPeer extends Judgement {
  readonly certificate: Certificate | undefined;
}

/** The leaf that a peer showed; its issuers: {@link sentChain}. */
export function takePeerCertificate(socket: TLSSocket): X509Certificate | undefined {
  return leafOf(socket);
}

/**
 * Judges the peer of a socket whose handshake is done, resumed sessions included.
 *
 * @param x509 From {@link takePeerCertificate}.
 * @param remembered What a server showed when the session began that is resumed now: Node can't tell
 *   it a second time. The session's keys bind it to that server.
 */
export function judgeSocket(
  socket: TLSSocket,
  x509: X509Certificate | undefined,
  context: CheckContext,
  bundle: TrustBundle,
  remembered?: Certificate,
): JudgedPeer {
  if (x509 === undefined && remembered !== undefined && socket.isSessionReused()) {
    const code = socket.authorized ? undefined : verdictCode(socket.authorizationError);
    return judged(remembered, socket.authorized, code, [], context, bundle);
  }
  if (x509 === undefined) {
    // A resumed TLS 1.3 session without a certificate counts as authorized in Node: never here.
    return judged(undefined, false, "UNABLE_TO_GET_ISSUER_CERT", [], context, bundle);
  }
  const code = socket.authorized ? undefined : verdictCode(socket.authorizationError);
  try {
    // While the clock is wrong, what OpenSSL finds good is looked at, too.
    const sent = socket.authorized && context.doubt === undefined ? [] : sentChain(socket, bundle);
    return judged(readCertificate(x509), socket.authorized, code, sent, context, bundle);
  } catch (error) {
    const words = `can't be read: ${errorText(error)}`;
    const fix = "issue the peer a new certificate";
    return {
      accepted: false,
      certificate: undefined,
      problems: [{ cause: "malformed", words, fix }],
    };
  }
}

function judged(
  certificate: Certificate | undefined,
  good: boolean,
  code: string | undefined,
  sent: readonly Certificate[],
  context: CheckContext,
  bundle: TrustBundle,
): JudgedPeer {
  const verdict = { good, code };
  return { certificate, ...judgePeer({ ...context, verdict, certificate, sent, bundle }) };
}

/** Node's types say Error; at run time a server gets the code, a client an error with a code. */
function verdictCode(error: unknown): string | undefined {
  if (typeof error === "string") return error;
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
