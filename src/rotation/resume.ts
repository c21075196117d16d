/**
 * What a start finds in the store, and what it does about it. The store's marks and pointers are the only
 * memory of a rotation, so a process that died at any step is taken up from here.
 *
 * | the process died | the store then has | what the start does |
 * |---|---|---|
 * | before `stage` was durable | what it had | nothing: nobody was told that it is durable |
 * | between `stage` and `commit` | `next` | judges `next` anew and goes on from there; refused: gives it up, marked bad; refused by dates that only a doubtful clock speaks against: leaves it until the clock is set, the next start, or the next installation |
 * | the same, but `next` is what is in force | `next` with the digest of `current` | gives `next` up |
 * | between `commit` and the end of probation | `current` staged or unproven | publishes it; probation from its beginning |
 * | after a peer accepted it | `current` trialled | publishes it; probation is over |
 * | amid a fall-back, before it was durable | as before probation ended | probation again, to the same end |
 * | after a fall-back | `current` older than the one marked bad | publishes it: ROLLED_BACK |
 * | (a damaged store was healed so) | `current` marked bad | goes back to `previous` if that is any good; else keeps it, and says so |
 */
import type { CertificateStore } from "../identity/store/certificate-store.ts";

export type ResumeStep = "adopt-next" | "give-up-next" | "leave-bad" | "probation";

/** What is left to do, in this order; publishing `current` comes first. */
export function resumeSteps(
  store: Pick<CertificateStore, "current" | "next" | "previous">,
): readonly ResumeStep[] {
  const { current, next } = store;
  const steps: ResumeStep[] = [];
  if (current?.mark === "bad") steps.push("leave-bad");
  if (next !== undefined) {
    const same = next.digest === current?.digest && next.key.spkiSha256 === current.key.spkiSha256;
    steps.push(same || next.mark === "bad" ? "give-up-next" : "adopt-next");
  }
  if (current !== undefined && current.mark !== "bad" && current.mark !== "trialled") {
    steps.push("probation");
  }
  return steps;
}
