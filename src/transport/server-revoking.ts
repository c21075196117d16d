/**
 * Where revocation meets a server that we have dialled: what it stapled is judged, its responder is asked
 * when nobody may be let in unchecked, and the open connection is watched.
 */
import type { TLSSocket } from "node:tls";
import type { Problem } from "../identity/peer-checks.ts";
import type { TrustBundle } from "../identity/trust-bundle.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import type { JudgedPeer } from "./peer-certificates.ts";
import type { PeerRevocation } from "./peer-revocation.ts";
import { mustAsk } from "./peer-revoking.ts";
import { sentChain } from "./sent-chain.ts";

export interface ShownByServer {
  readonly socket: TLSSocket;
  /** What the socket's context trusts. */
  readonly bundle: TrustBundle;
  readonly staple: Uint8Array | undefined;
  /** `host:port`. */
  readonly remote: string;
}

/** Begins to listen for what the server staples; ask when the handshake is done. */
export function watchStaple(socket: TLSSocket): () => Uint8Array | undefined {
  let staple: Uint8Array | undefined;
  socket.on("OCSPResponse", (der: Uint8Array | null) => {
    staple = der ?? undefined;
  });
  return () => staple;
}

/** The judgement with what is known of revocation. A chain that is not good stays as it is. */
export async function revokeServer(
  revocation: PeerRevocation | undefined,
  judged: JudgedPeer,
  { socket, bundle, staple, remote }: ShownByServer,
): Promise<JudgedPeer> {
  const { accepted, certificate } = judged;
  if (revocation === undefined || !accepted || certificate === undefined) return judged;
  const refused = (problem: Problem): JudgedPeer => ({
    accepted: false,
    certificate,
    problems: [problem],
  });
  const resumed = socket.isSessionReused();
  let verdict = revocation.check(certificate, sentChain(socket, bundle));
  const stapled = revocation.judgeStaple(certificate, staple, resumed);
  if (stapled !== undefined) return refused(stapled);
  if (staple !== undefined) verdict = revocation.check(certificate);
  if (mustAsk(verdict)) {
    const onError = (): void => void socket.destroy();
    socket.on("error", onError);
    verdict = await revocation.ask(certificate);
    socket.off("error", onError);
  }
  const problem = revocation.problemOf(certificate, verdict, remote);
  return problem === undefined ? judged : refused(problem);
}

/** Cuts the connection when the server's certificate is found revoked. */
export function watchServer(
  revocation: PeerRevocation | undefined,
  certificate: Certificate | undefined,
  socket: TLSSocket,
  remote: string,
): void {
  if (revocation === undefined || certificate === undefined || socket.destroyed) return;
  const cut = (words: string): void => {
    socket.destroy(new Error(words));
  };
  socket.once("close", revocation.watch({ certificate, remote, direction: "outbound", cut }));
}
