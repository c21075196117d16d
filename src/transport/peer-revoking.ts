/**
 * Where revocation meets the peer that has just shaken hands: a good one whose responder must be asked
 * first is held back, unread, until there is an answer; everybody else is decided on at once.
 */
import type { Socket } from "node:net";
import type { RevocationVerdict } from "../identity/revocation/revocation-judge.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import type { PlacedPeer } from "./peer-placement.ts";
import type { PeerRevocation } from "./peer-revocation.ts";

interface Sockets {
  readonly raw: Socket;
  readonly socket: Socket;
  /** `host:port`. */
  readonly remote: string;
}

/** @param decide Called once, unless the peer goes away while it is held back. */
export function revokePlaced(
  revocation: PeerRevocation | undefined,
  placed: PlacedPeer,
  sockets: Sockets,
  decide: (judged: PlacedPeer) => void,
): void {
  const { accepted, certificate } = placed;
  if (revocation === undefined || !accepted || certificate === undefined) {
    decide(placed);
    return;
  }
  const conclude = (verdict: RevocationVerdict): void => {
    const problem = revocation.problemOf(certificate, verdict, sockets.remote);
    decide(
      problem === undefined
        ? placed
        : { accepted: false, certificate, problems: [problem], trustDomains: [] },
    );
  };
  const verdict = revocation.check(certificate);
  if (mustAsk(verdict)) void hold(revocation, certificate, sockets.socket, conclude);
  else conclude(verdict);
}

/** Whether nobody may be let in by this verdict, and a responder could change that. */
export function mustAsk(verdict: RevocationVerdict): boolean {
  return verdict.kind === "unknown" && verdict.hard && verdict.askOcsp;
}

/** Cuts the connection, calls and streams with it, when its certificate is found revoked. */
export function watchRevocation(
  revocation: PeerRevocation | undefined,
  certificate: Certificate | undefined,
  { raw, socket, remote }: Sockets,
  onCut: () => void,
): void {
  if (revocation === undefined || certificate === undefined || raw.destroyed) return;
  const cut = (): void => {
    onCut();
    socket.destroy();
    raw.destroy();
  };
  raw.once("close", revocation.watch({ certificate, remote, direction: "inbound", cut }));
}

async function hold(
  revocation: PeerRevocation,
  certificate: Certificate,
  socket: Socket,
  conclude: (verdict: RevocationVerdict) => void,
): Promise<void> {
  const onError = (): void => void socket.destroy();
  socket.on("error", onError);
  const verdict = await revocation.ask(certificate);
  if (socket.destroyed) return;
  socket.off("error", onError);
  conclude(verdict);
}
