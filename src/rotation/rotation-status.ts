/** What `status` and `doctor` say of the identity in force, in words. Pure. */
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { Generation } from "../identity/store/generation.ts";
import { identityState, takenBack } from "./identity-state.ts";
import type { Look } from "./probation.ts";
import type { OverlapStatus, RotationStatus } from "./rotation-ports.ts";

/**
 * @param published What the agent shows; another than the store's current one when a fall-back could not
 *   be written.
 * @param anyPeers Whether there are probe peers to ask.
 * @returns `undefined` for an empty store.
 */
export function rotationStatus(
  store: Pick<CertificateStore, "current" | "history">,
  published: Generation | undefined,
  onProbation: boolean,
  look: Look | undefined,
  overlap: OverlapStatus | undefined,
  anyPeers: boolean,
): RotationStatus | undefined {
  const { current } = store;
  if (current === undefined) return undefined;
  if (published !== undefined && published.number < current.number) {
    const words = `generation ${current.number} failed and generation ${published.number} is in force again, from memory only: the store can't be written`;
    return { generation: published, state: "ROLLED_BACK", words, look, failed: current, overlap };
  }
  const generation = current;
  const history = store.history();
  const state = identityState(generation, history, onProbation);
  const failed = state === "ROLLED_BACK" ? takenBack(generation, history) : undefined;
  const number = generation.number;
  const tried = triedWords(look);
  const untried = anyPeers
    ? ": its probe peers have not been asked yet"
    : ": name probe peers under probation.peers";
  const words = {
    ACTIVE: `generation ${number} is in force and confirmed by its peers`,
    TRIALLED: `generation ${number} was accepted by a peer and is on probation with the others${tried}`,
    UNPROVEN: `generation ${number} is in force, and no peer has accepted it yet${tried || untried}`,
    ROLLED_BACK: `generation ${failed?.number} failed and generation ${number} is in force again: ${failed?.reasons.map(({ words }) => words).join("; ")}`,
  }[state];
  return { generation, state, words, look, failed, overlap };
}

function triedWords(look: Look | undefined): string {
  const open = (look?.peers ?? []).filter(({ outcome }) => outcome.kind !== "accepted");
  if (open.length === 0) return "";
  return `: ${open.map(({ peer, outcome }) => `${peer}: ${outcome.words}`).join("; ")} (${look?.number} tries)`;
}
