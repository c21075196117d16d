/**
 * A dialer without a network: every dial makes a pair of sockets and puts a scripted peer on the far end,
 * or does what `plan` says.
 */
import { AgentError } from "#src/base/errors.ts";
import type { Principal } from "#src/base/principal.ts";
import type { Dialer, DialTarget } from "#src/transport/dialer.ts";
import type { PeerConnection } from "#src/transport/peer-connection.ts";
import { MucpPeer, type PeerScript } from "./dialer-peer.ts";
import { asSocket, FakeSocket } from "./dialer-socket.ts";
import { settle } from "./fake-clock.ts";

/**
 * What becomes of one dial: an error; `hold`: a wait for `release`; `late`: the far end may speak before
 * the dial resolves.
 */
export type DialPlan = (
  target: DialTarget,
  count: number,
) => AgentError | "hold" | "late" | undefined;

const PRINCIPAL: Principal = {
  verified: true,
  cn: "fake",
  spiffeId: undefined,
  dnsNames: [],
  ipAddresses: [],
  certificate: undefined,
  trustDomains: [""],
  roles: [],
  remote: "127.0.0.1:1",
  refusal: undefined,
};

export class FakeDialer implements Dialer {
  readonly targets: DialTarget[] = [];
  readonly peers: MucpPeer[] = [];
  /** Our own ends, in the order of `peers`. */
  readonly sockets: FakeSocket[] = [];
  /** Dials that the caller gave up. */
  aborted = 0;
  readonly #script: PeerScript;
  readonly #plan: DialPlan;
  readonly #held: (() => void)[] = [];

  constructor(script: PeerScript, plan: DialPlan = () => undefined) {
    this.#script = script;
    this.#plan = plan;
  }

  async dial(target: DialTarget, signal: AbortSignal): Promise<PeerConnection> {
    this.targets.push(target);
    const plan = this.#plan(target, this.targets.length);
    if (plan === "hold") await this.#hold(signal);
    else if (plan instanceof AgentError) throw plan;
    const [ours, theirs] = FakeSocket.pair();
    this.sockets.push(ours);
    this.peers.push(new MucpPeer(theirs, this.#script));
    if (plan === "late") await settle();
    return { socket: asSocket(ours), principal: PRINCIPAL, alpn: "http/1.1" };
  }

  /** Lets held dials go on, oldest first. */
  release(count = Number.POSITIVE_INFINITY): void {
    for (const go of this.#held.splice(0, count)) go();
  }

  get held(): number {
    return this.#held.length;
  }

  #hold(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#held.push(resolve);
      signal.addEventListener("abort", () => {
        this.aborted += 1;
        const place = this.#held.indexOf(resolve);
        if (place !== -1) this.#held.splice(place, 1);
        reject(signal.reason);
      });
    });
  }
}
