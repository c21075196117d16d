/** The revocation lines of `microedge status`. */
import { formatMoment } from "../../identity/span-words.ts";
import type { CrlView, RevocationView } from "../../sidecar/revocation-view.ts";
import type { Output } from "../terminal.ts";
import { paint } from "./style.ts";

/** Empty when nothing is configured. */
export function revocationRows(view: RevocationView, out: Output): [string, string][] {
  const { crl, ocsp, denied, cut } = view;
  if (crl === "off" && ocsp === "off" && denied === 0) return [];
  const ended = view.deniedEnded.length === 0 ? "" : ` (${view.deniedEnded.length} have expired)`;
  const words = `CRL ${crl}, OCSP ${ocsp}, ${denied} denied${ended}, ${cut} connections cut`;
  const rows: [string, string][] = [["revocation", words]];
  for (const { source, fault, lists } of view.sources) {
    for (const list of lists) rows.push(["", `${listWords(list, out)}, from ${source}`]);
    if (lists.length === 0) rows.push(["", paint(out, "yellow", `no list from ${source}`)]);
    if (fault !== undefined) rows.push(["", paint(out, "yellow", `${source}: ${fault}`)]);
  }
  for (const { responder, reason } of view.ocspFaults) {
    rows.push(["", paint(out, "yellow", `responder ${responder}: ${reason}`)]);
  }
  if (view.stapleEndsAt !== undefined) {
    rows.push(["", `own OCSP answer is stapled, good until ${formatMoment(view.stapleEndsAt)}`]);
  }
  return rows;
}

function listWords(
  { issuer, number, revoked, state, words, nextUpdate }: CrlView,
  out: Output,
): string {
  const count = `CRL${number === undefined ? "" : ` ${number}`} of ${issuer}: ${revoked} revoked`;
  const until = `next update ${formatMoment(nextUpdate)}`;
  return state === "fresh" ? `${count}, ${until}` : `${count}, ${paint(out, "yellow", words)}`;
}
