/**
 * A peer as a person names one on the command line, as the principal that the agent would make of it.
 */
import type { AgentConfig } from "../../agent/config.ts";
import { AgentError, errorText } from "../../base/errors.ts";
import { type Principal, UNVERIFIED_ROLE } from "../../base/principal.ts";
import { OWN_DOMAIN, placementKey, spiffeOwner } from "../../guard/acl-rules.ts";
import { readTextFile } from "../../host/text-file.ts";
import { explainChain } from "../../identity/chain-explanation.ts";
import { judgementWords } from "../../identity/judgement.ts";
import { findProblems } from "../../identity/peer-checks.ts";
import { principalOf } from "../../identity/peer-principal.ts";
import { splitPem } from "../../identity/pem.ts";
import { parseTrustBundle } from "../../identity/trust-bundle.ts";
import { placeLeaf, type TrustDomain, unplacedProblem } from "../../identity/trust-domain.ts";
import { parseCertificate } from "../../identity/x509/certificate.ts";
import { spiffeIdFault } from "../../identity/x509/spiffe-id.ts";
import { usage } from "../arguments.ts";

export interface AskedPeer {
  readonly principal: Principal;
  /** Why the TLS check would refuse it before any rule is asked. */
  readonly refused: string | undefined;
}

export interface PeerContext {
  readonly config: AgentConfig;
  /** Of `--trust-domain`. */
  readonly trustDomain: string | undefined;
  readonly nowMs: number;
  /** The trust bundle of the certificate store, PEM; asked only without `[tls]` files. */
  ownBundle(): Promise<string | undefined>;
  /** Makes a path absolute. */
  resolve(path: string): string;
  readonly help: string;
}

export const PEER_FORMS =
  "cn:NAME, dns:NAME, spiffe://ID, sha256:HEX, unverified, none, or a certificate file (PEM)";

/** @throws AgentError `ERR_USAGE`, `ERR_FILE_IO`, `ERR_CERT_INVALID`. */
export async function parsePeer(text: string, context: PeerContext): Promise<AskedPeer> {
  if (text === UNVERIFIED_ROLE) return unverified("the certificate passes no verification");
  if (text === "none") return unverified("no client certificate was sent");
  if (text.startsWith("spiffe://")) return named(context, { spiffeId: spiffeIdOf(text, context) });
  const [, form, name] = /^(cn|dns|sha256):(.+)$/s.exec(text) ?? [];
  if (form === "cn") return named(context, { cn: name ?? "" });
  if (form === "dns") return named(context, { dnsNames: [(name ?? "").toLowerCase()] });
  if (form === "sha256") return named(context, { certificate: fingerprint(name ?? "", context) });
  return fromFile(text, context);
}

const NOBODY = principalOf({
  certificate: undefined,
  verified: true,
  refusal: undefined,
  remote: "command line",
});

function unverified(refusal: string): AskedPeer {
  const facts = { certificate: undefined, verified: false, refusal, remote: "command line" };
  return { principal: principalOf(facts), refused: refusal };
}

function named(context: PeerContext, names: Partial<Principal>): AskedPeer {
  return {
    principal: { ...NOBODY, ...names, trustDomains: [placement(context, names)] },
    refused: undefined,
  };
}

/** Who vouches for a peer of which only a name is given: its owner, or `--trust-domain`. */
function placement({ config, trustDomain, help }: PeerContext, names: Partial<Principal>): string {
  const rules = config.acl;
  if (trustDomain !== undefined) {
    const key = rules === undefined ? undefined : placementKey(rules, trustDomain);
    if (key === undefined) {
      throw usage(`${trustDomain} is no trust domain of the configuration`, help);
    }
    return key;
  }
  if (rules === undefined || names.spiffeId === undefined) return OWN_DOMAIN;
  return spiffeOwner(rules, names.spiffeId) ?? OWN_DOMAIN;
}

function spiffeIdOf(id: string, { help }: PeerContext): string {
  const fault = spiffeIdFault(id);
  if (fault !== undefined) throw usage(`${id} is not a SPIFFE ID: ${fault}`, help);
  return id;
}

function fingerprint(text: string, { help }: PeerContext) {
  const hex = text.replaceAll(":", "").toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex)) throw usage("sha256: needs 64 hexadecimal digits", help);
  return {
    subject: "",
    issuer: "",
    notBefore: 0,
    notAfter: 0,
    serial: "",
    fingerprint: hex,
  };
}

async function fromFile(path: string, context: PeerContext): Promise<AskedPeer> {
  const file = context.resolve(path);
  const pem = await read(file, `PEER is ${PEER_FORMS}; ${path}`);
  const blocks = splitPem(pem).filter(({ label }) => label.endsWith("CERTIFICATE"));
  const [leaf, ...sent] = blocks.map(({ text }) => parseCertificate(text));
  if (leaf === undefined) {
    throw new AgentError("ERR_CERT_INVALID", `${file} holds no PEM certificate`);
  }
  const { nowMs } = context;
  const domains = await readDomains(context);
  const bundle = domains.flatMap((domain) => domain.bundle);
  const placed = placeLeaf(leaf, domains, nowMs);
  const problems = [
    ...findProblems(leaf, { nowMs, role: "client" }),
    ...explainChain(leaf, sent, bundle, nowMs),
  ];
  if (problems.length === 0 && placed.length === 0) problems.push(unplacedProblem(leaf));
  const refused = problems.length === 0 ? undefined : judgementWords("client", problems);
  const principal = principalOf({
    certificate: leaf,
    verified: refused === undefined,
    trustDomains: placed,
    refusal: refused,
    remote: "command line",
  });
  return { principal, refused };
}

async function readDomains(context: PeerContext): Promise<readonly TrustDomain[]> {
  const { tlsFiles, acl } = context.config;
  const further = (acl?.bundles ?? []).map(async ({ name, caPath }) => ({
    name,
    bundle: parseTrustBundle(await readBundle(caPath)),
  }));
  const own =
    tlsFiles === undefined ? await context.ownBundle() : await readBundle(tlsFiles.caPath);
  return [
    ...(own === undefined ? [] : [{ name: OWN_DOMAIN, bundle: parseTrustBundle(own) }]),
    ...(await Promise.all(further)),
  ];
}

const readBundle = (path: string): Promise<string> => read(path, `the trust bundle ${path}`);

async function read(file: string, what: string): Promise<string> {
  try {
    return await readTextFile(file);
  } catch (cause) {
    throw new AgentError("ERR_FILE_IO", `${what} can't be read: ${errorText(cause)}`, { cause });
  }
}
