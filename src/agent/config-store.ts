/**
 * The keys of `[store]` and `[probation]`. `docs/certificates.md` tells the operator what they mean
 * together.
 */
import { hostPort, integer, listOf, path } from "./config-kinds.ts";
import { LIVE, optional, row } from "./config-row.ts";

export const STORE_ROWS = {
  dir: optional(
    path(),
    "Directory of the certificate store, which then owns key, certificate and trust bundle; instead of tls.cert, tls.key and tls.ca.",
    { defaultDoc: "none: the files of [tls]" },
  ),
  wear_budget_kib: row(
    integer(64, 1_048_576, "KiB per day"),
    1_024,
    "What the store may write in a day before it warns.",
  ),
};

export const PROBATION_ROWS = {
  peers: row(
    listOf(hostPort(1)),
    [],
    "Peers that a new certificate is tried against. Without any, it stays unproven: in force, but nobody has confirmed it.",
    LIVE,
  ),
};
