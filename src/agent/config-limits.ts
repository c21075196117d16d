/**
 * The keys of `[limits]`. `docs/limits.md` says what they mean together and why the defaults are as
 * they are.
 */
import { BYTES_PER_CLIENT, MAX_CAPACITY } from "../guard/bucket-table.ts";
import { integer } from "./config-kinds.ts";
import { endpointRates, rateLimit } from "./config-rates.ts";
import { LIVE, optional, row } from "./config-row.ts";

export const LIMITS_ROWS = {
  max_connections: optional(
    integer(1, 10_000),
    "Inbound connections open at once. More than fit below the memory limit are allowed, with a warning.",
    { defaultDoc: "200, or as many as fit below memory_limit_mib, if that is fewer" },
  ),
  max_handshakes: row(
    integer(1, 1_000),
    4,
    "TLS handshakes in progress at once; up to 60 more connections wait for their turn, the rest is reset.",
  ),
  per_address: row(
    rateLimit("connections"),
    undefined,
    "Connections of one source address, decided before TLS; IPv6 counts by /64.",
    { ...LIVE, defaultDoc: '`"off"`: many gateways may share the address of one router' },
  ),
  failed_handshakes: row(
    rateLimit("connections"),
    // An installer's evening of trying; beyond it an address still comes in when there is room.
    { rate: 10, burst: 100, waitMs: 0 },
    "Handshakes of one source address that may fail; when they are used up, it comes last: only while no handshake is in progress, and seldom.",
    LIVE,
  ),
  per_peer: row(rateLimit("calls"), undefined, "Calls of one peer, all its connections together.", {
    ...LIVE,
    defaultDoc: '`"off"`',
  }),
  per_endpoint: row(endpointRates(), [], "Calls to one endpoint, all its callers together.", LIVE),
  per_peer_endpoint: row(
    endpointRates(),
    [],
    "Calls of one peer to one endpoint; other peers have as much.",
    LIVE,
  ),
  agent: row(rateLimit("calls"), undefined, "Calls to the whole agent.", {
    ...LIVE,
    defaultDoc: '`"off"`',
  }),
  max_calls: row(
    integer(1, 100_000),
    1_024,
    "Calls in progress at once. Reads are refused at 80 %, writes at 90 %: the rest is for Debug.Health and admin endpoints.",
    LIVE,
  ),
  max_calls_per_peer: row(
    integer(0, 100_000),
    0,
    "Calls in progress at once of one peer; 0: as many as of all.",
    LIVE,
  ),
  tracked_addresses: row(
    integer(16, MAX_CAPACITY),
    8_192,
    `Addresses that per_address and failed_handshakes each remember, at ${BYTES_PER_CLIENT} bytes; see docs/limits.md.`,
  ),
  tracked_peers: row(
    integer(16, MAX_CAPACITY),
    1_024,
    `Peers that per_peer remembers, at ${BYTES_PER_CLIENT} bytes; per_peer_endpoint remembers four endpoints of each.`,
  ),
  memory_limit_mib: optional(
    integer(32, 65_536, "MiB"),
    "Memory that the agent may use, as its service manager enforces it.",
    { defaultDoc: "what the control group allows" },
  ),
};
