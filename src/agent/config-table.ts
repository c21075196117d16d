/**
 * The one table of configuration keys. From it come the type of the configuration, strict parsing,
 * environment overrides, `config show`, the JSON Schema and docs/configuration.md. A new key is one
 * row; a new section is one entry of {@link SECTIONS} or {@link LISTS}.
 *
 * Defaults are the safe choice; a key that weakens something begins with `insecure_`.
 */

import { ISSUER_ROWS } from "./config-issuer.ts";
import {
  choice,
  flag,
  hostPort,
  integer,
  listOf,
  moment,
  path,
  proxyUrl,
  text,
} from "./config-kinds.ts";
import { LIMITS_ROWS } from "./config-limits.ts";
import { METRICS_ROWS } from "./config-metrics.ts";
import { RENEWAL_ROWS, TRUST_ROWS } from "./config-renewal.ts";
import { REPORT_ROWS } from "./config-report.ts";
import { REVOCATION_ROWS } from "./config-revocation.ts";
import { LIVE, optional, type Row, required, row } from "./config-row.ts";
import { PROBATION_ROWS, SEALING_ROWS, STORE_ROWS } from "./config-store.ts";
import { TIME_ROWS } from "./config-time.ts";

export type { Row } from "./config-row.ts";

const HOUR_MS = 3_600_000;
const serviceName = text({
  allowed: "1 to 128 letters, digits, dots, hyphens or underscores",
  pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
});
const version = text({
  allowed: "at most 64 letters, digits or any of . _ + -",
  pattern: /^[A-Za-z0-9._+-]{0,64}$/,
});
const trustDomainName = text({
  allowed: "a trust domain: 1 to 255 of a-z 0-9 . - _",
  pattern: /^[a-z0-9._-]{1,255}$/,
});
const roleName = text({
  allowed: "1 to 64 letters, digits, dots, hyphens or underscores",
  pattern: /^[A-Za-z0-9._-]{1,64}$/,
});
/** What it has to look like, and what it means with the others, `config-acl.ts` checks. */
const words = text({
  allowed: "1 to 2048 characters without control characters",
  pattern: /^[^\p{Cc}]{1,2048}$/u,
});
const hostName = text({
  allowed: "a host name or an IP address",
  pattern: /^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$/,
});

export const SECTIONS = {
  service: {
    name: row(serviceName, "microedge", "go-micro service name that this agent answers to."),
    version: row(version, "latest", "Version shown in service records, as go-micro does."),
  },
  rpc: {
    listen: row(
      hostPort(0),
      { host: "127.0.0.1", port: 8443 },
      'Address for RPC; port 0 takes a free one. All addresses: "0.0.0.0:8443" or "[::]:8443".',
    ),
    max_header_bytes: row(
      integer(1_024, 1_048_576, "bytes"),
      65_536,
      "Largest start line and headers together of one message.",
    ),
    max_body_bytes: row(
      integer(1_024, 67_108_864, "bytes"),
      4_194_304,
      "Largest body of one request.",
    ),
    header_timeout_ms: row(
      integer(100, 600_000, "ms"),
      5_000,
      "From the first byte of a message to the end of its headers; also the wait for a first byte.",
    ),
    body_timeout_ms: row(
      integer(100, HOUR_MS, "ms"),
      30_000,
      "From the end of the headers to the end of the body.",
    ),
    idle_timeout_ms: row(
      integer(1_000, HOUR_MS, "ms"),
      600_000,
      "A connection without a call is closed after this.",
    ),
    handshake_timeout_ms: row(
      integer(100, 60_000, "ms"),
      10_000,
      "From TCP accept to the end of the TLS handshake.",
    ),
    drain_timeout_ms: row(
      integer(0, 600_000, "ms"),
      10_000,
      "How long open calls may finish when the agent stops.",
    ),
    max_streams: row(
      integer(1, 10_000),
      64,
      "Streams open at once, of all connections together; 16 of one connection.",
    ),
    insecure_plaintext: row(
      flag(),
      false,
      "Development only: no TLS at all, in or out. Must not stand beside [tls] files.",
    ),
  },
  tls: {
    cert: optional(path(), "Certificate chain of this device, PEM, leaf first.", {
      defaultDoc: "none: must be set unless store.dir or rpc.insecure_plaintext is",
    }),
    key: optional(path(), "Private key of the leaf, PEM, readable by the agent only.", {
      defaultDoc: "none: must be set unless store.dir or rpc.insecure_plaintext is",
    }),
    ca: optional(path(), "Trust bundle for peers, PEM: the roots that may have issued them.", {
      defaultDoc: "none: must be set unless store.dir or rpc.insecure_plaintext is",
    }),
    verify: row(
      choice(["enforce", "observe"]),
      "enforce",
      '"observe" is for migrations: an inbound peer that enforcing would refuse is let in with the role "unverified", logged and counted. Needs tls.observe_until.',
    ),
    observe_until: optional(
      moment(),
      "End of observing, at most 366 days ahead; from then on peers are enforced.",
    ),
    minVersion: row(
      choice(["1.3", "1.2"]),
      "1.3",
      'Lowest TLS version, in and out. "1.2" is for old peers and warns at start.',
      { aliases: ["min_version"] },
    ),
    reload_interval_ms: row(
      integer(100, HOUR_MS, "ms"),
      2_000,
      "How often the three files are looked at; replaced files are taken without dropping a connection.",
    ),
    insecure_skip_verify: row(
      flag(),
      false,
      "Development only: no peer is verified, in or out. Never use it on a device.",
    ),
  },
  store: STORE_ROWS,
  sealing: SEALING_ROWS,
  probation: PROBATION_ROWS,
  revocation: REVOCATION_ROWS,
  time: TIME_ROWS,
  issuer: ISSUER_ROWS,
  renewal: RENEWAL_ROWS,
  trust: TRUST_ROWS,
  report: REPORT_ROWS,
  control: {
    socket: optional(
      path(),
      "Unix socket of the command line, mode 0600, at most 107 bytes long.",
      {
        defaultDoc:
          "control.sock in $RUNTIME_DIRECTORY; else /run/microedge for root or /etc/microedge/microedge.toml; else beside the configuration file",
      },
    ),
  },
  metrics: METRICS_ROWS,
  limits: LIMITS_ROWS,
  client: {
    timeout_ms: row(
      integer(1, HOUR_MS, "ms"),
      5_000,
      "Deadline of an outbound call that sets none itself, retries included.",
    ),
    connect_timeout_ms: row(
      integer(1, 600_000, "ms"),
      5_000,
      "DNS, TCP, proxy and TLS handshake together.",
    ),
    retries: row(
      integer(0, 10),
      1,
      "Attempts after the first: of any call that was never sent, of one that was sent only if it is idempotent.",
    ),
    pool_size: row(integer(1, 100), 8, "Connections to one address at most; calls beyond wait."),
    pool_ttl_ms: row(
      integer(1_000, HOUR_MS, "ms"),
      60_000,
      "A pooled connection is not used again after this age.",
    ),
    selector: row(
      choice(["random", "round-robin"]),
      "random",
      "How one of several nodes is chosen.",
    ),
    node_rest_ms: row(
      integer(0, HOUR_MS, "ms"),
      5_000,
      "How long a node that failed is passed over; twice as long after each further failure, 5 minutes at most.",
    ),
    unique_stream: row(
      flag(),
      true,
      "Send a Micro-Stream of its own with every unary call, which keeps go-micro servers from losing calls on kept connections.",
    ),
    proxy: row(
      proxyUrl(),
      undefined,
      "HTTP proxy that all outgoing connections go through (CONNECT): calls, the authority, lists, OCSP, trust updates, probes. This machine (localhost, 127.0.0.0/8, ::1, the host of rpc.listen) is reached without it.",
    ),
    max_reply_bytes: row(
      integer(1_024, 67_108_864, "bytes"),
      4_194_304,
      "Largest body of one reply.",
    ),
    codec: row(
      choice(["json", "protobuf", "json-rpc", "proto-rpc", "bytes"]),
      "json",
      "Codec of outbound calls that name none.",
    ),
  },
  acl: {
    own_trust_domain: optional(
      trustDomainName,
      "SPIFFE trust domain of tls.ca. When set, tls.ca vouches for SPIFFE IDs of this domain only. An [acl] section, also an empty one, denies what no rule allows; see docs/access.md.",
      {
        ...LIVE,
        defaultDoc: "none: tls.ca vouches for every SPIFFE ID that no [[acl.trust_domain]] owns",
      },
    ),
  },
  log: {
    level: row(
      choice(["debug", "info", "warn", "error"]),
      "info",
      'Least level that is written; "debug" is a line per call.',
      LIVE,
    ),
    format: row(
      choice(["auto", "json", "text"]),
      "auto",
      "JSON lines or readable text; auto: text on a terminal, else JSON.",
    ),
  },
} as const satisfies Record<string, Record<string, Row<unknown>>>;

/** Arrays of tables: `[[name]]`. Not reachable from the environment. */
export const LISTS = {
  "registry.static": {
    service: required(serviceName, "Service that the addresses belong to.", true),
    addresses: required(listOf(hostPort(1)), "Its nodes.", true),
    server_name: optional(
      hostName,
      "Name that the nodes' certificates carry, when it is not the host of the address.",
      LIVE,
    ),
    version: row(version, "latest", "Version of the service, if several run side by side.", LIVE),
  },
  "acl.peer": {
    cn: optional(words, "Common name of the peer's certificate, the whole of it.", LIVE),
    spiffe: optional(
      words,
      'SPIFFE ID of the peer; "/*" at its end stands for one or more further segments: "spiffe://example.org/*" is every ID of the domain.',
      LIVE,
    ),
    dns: optional(words, "A DNS name among the certificate's alternative names.", LIVE),
    sha256: optional(
      words,
      "SHA-256 fingerprint of the certificate: 64 hexadecimal digits, colons allowed.",
      LIVE,
    ),
    trust_domain: optional(
      trustDomainName,
      "With cn and dns: the trust domain that must vouch for the name.",
      { ...LIVE, defaultDoc: "that of tls.ca" },
    ),
    roles: required(
      listOf(roleName),
      "Roles of the peer; it has those of every rule that means it.",
      true,
    ),
  },
  "acl.role": {
    name: required(
      roleName,
      'Name for [[acl.peer]]. "unverified" is the role of peers that tls.verify = "observe" lets in.',
      true,
    ),
    allow: required(
      listOf(words),
      'Endpoints: "service/Handler.Method", with * for any part: "microedge/Debug.*", "microedge/*", "*/*".',
      true,
    ),
    kinds: optional(
      listOf(choice(["read", "write", "admin"])),
      "Kinds of endpoints that the patterns give.",
      {
        ...LIVE,
        defaultDoc: "all for an endpoint named without *, read for a pattern with *",
      },
    ),
  },
  "acl.trust_domain": {
    name: required(trustDomainName, "SPIFFE trust domain, or any name for cn and dns rules.", true),
    ca: required(
      path(),
      "Its trust bundle, PEM: roots and the intermediate authorities that issue the peers' certificates.",
      true,
    ),
  },
  handlers: {
    module: required(path(), "JavaScript module that exports register(sdk)."),
    service: optional(serviceName, "Service its endpoints belong to.", {
      defaultDoc: "service.name",
    }),
  },
} as const satisfies Record<string, Record<string, Row<unknown>>>;

export type SectionName = keyof typeof SECTIONS;
export type ListName = keyof typeof LISTS;

/** `max_body_bytes` as the code writes it: `maxBodyBytes`. */
type Camel<K> = K extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : K;

type ValuesOf<Rows> = {
  readonly [K in keyof Rows as Camel<K>]: Rows[K] extends Row<infer T> ? T : never;
};

export type SectionValues = { readonly [S in SectionName]: ValuesOf<(typeof SECTIONS)[S]> };
export type ListItem<L extends ListName> = ValuesOf<(typeof LISTS)[L]>;

export function camelKey(key: string): string {
  return key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The variable that overrides `section.key`; both `_`-separated and camel-case keys become one form. */
export function environmentName(section: string, key: string): string {
  const snake = key.replace(/([a-z])([A-Z])/g, "$1_$2");
  return `MICROEDGE_${section}_${snake}`.toUpperCase();
}
