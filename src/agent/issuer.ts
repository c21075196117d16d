/** The issuer as the configuration has it. */
import { AgentError, errorText } from "../base/errors.ts";
import type { Files } from "../host/files.ts";
import type { CertificateRequest } from "../identity/exchange/certificate-request.ts";
import type { Issuer } from "../identity/issuer.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { PeerClock, TimeView } from "../identity/time/time-view.ts";
import { withAnnouncedRoots } from "../issuers/announced-roots.ts";
import { CertificateRequestFile } from "../issuers/certificate-request-file.ts";
import { type EstBirth, EstIssuer, type EstPassword } from "../issuers/est.ts";
import { openIssuerRoots } from "../issuers/issuer-roots.ts";
import { StepCaIssuer } from "../issuers/step-ca.ts";
import { takenBundle } from "../rotation/trust-updates.ts";
import { IssuerExchange } from "../transport/issuer-exchange.ts";
import type { StatePorts } from "./agent-ports.ts";
import type { AgentConfig } from "./config.ts";
import { proxyOf } from "./outbound.ts";

const MAX_FILE_BYTES = 256 * 1024;

export interface IssuerParts {
  readonly config: AgentConfig;
  readonly ports: StatePorts;
  readonly store: CertificateStore;
  readonly time: PeerClock & { view(): TimeView };
}

/**
 * Asks nobody yet.
 *
 * @returns `undefined` without `issuer.kind`.
 * @throws AgentError `ERR_FILE_IO` and `ERR_CERT_INVALID` for issuer.roots and issuer.password_file.
 */
export async function openIssuer(parts: IssuerParts): Promise<Issuer | undefined> {
  const { config, ports, store, time } = parts;
  const { kind, url, rootSha256 } = config.issuer;
  if (kind === undefined) return undefined;
  const { network, clock, random } = ports;
  const ownChainPem = (): string => store.current?.chainPem ?? "";
  if (kind === "file") {
    const { csrDir = "" } = config.issuer;
    const given = await givenRoots(parts);
    const rootsPem = (): string => given ?? store.current?.trustBundlePem ?? "";
    return new CertificateRequestFile({ dir: csrDir, disk: ports.disk, rootsPem, ownChainPem });
  }
  if (url === undefined) throw new TypeError("the rules of the configuration demand issuer.url");
  const roots = await openIssuerRoots({
    rootSha256,
    bundlePem: await givenRoots(parts),
    notes: store,
    announced: config.issuer.announcedRoots,
  });
  const exchange = new IssuerExchange({
    network,
    clock,
    time,
    proxy: proxyOf(config),
  });
  const online = {
    url: new URL(url),
    exchange,
    roots,
    random,
    time: () => time.view(),
    ownChainPem,
  };
  const { estLabel: label, announcedRoots } = config.issuer;
  const issuer =
    kind === "step-ca"
      ? new StepCaIssuer(online)
      : new EstIssuer({
          ...{ ...online, label },
          password: () => passwordOf(parts),
          birth: () => birthOf(parts),
        });
  return announcedRoots ? withAnnouncedRoots(issuer) : issuer;
}

/** Roots from the operator: issuer.roots, and the last trust update that the fleet signed. */
async function givenRoots({ config, ports, store }: IssuerParts): Promise<string | undefined> {
  const { roots } = config.issuer;
  const file = roots === undefined ? "" : await textOf(ports.files, roots, "issuer.roots");
  const signed = (await takenBundle(store)) ?? "";
  return file === "" && signed === "" ? undefined : `${file}\n${signed}`;
}

/** The file is read for each use, so that a new password counts at once. */
async function passwordOf({ config, ports }: IssuerParts): Promise<EstPassword | undefined> {
  const { username, passwordFile } = config.issuer;
  if (username === undefined || passwordFile === undefined) return undefined;
  const text = await textOf(ports.files, passwordFile, "issuer.password_file");
  return { username, password: text.split(/\r?\n/, 1)[0] ?? "" };
}

async function birthOf({ config, ports }: IssuerParts): Promise<EstBirth | undefined> {
  const { birthCert, birthKey } = config.issuer;
  if (birthCert === undefined || birthKey === undefined) return undefined;
  const chainPem = await textOf(ports.files, birthCert, "issuer.birth_cert");
  return { chainPem, tlsKey: await textOf(ports.files, birthKey, "issuer.birth_key") };
}

/** Names to ask an authority for that has no token to say them; `undefined` when none are configured. */
export function configuredNames({ issuer }: AgentConfig): CertificateRequest | undefined {
  const { commonName, dnsNames, spiffeId } = issuer;
  if (commonName === undefined && dnsNames === undefined && spiffeId === undefined)
    return undefined;
  const sans = {
    dns: dnsNames?.split(",") ?? [],
    uri: spiffeId === undefined ? [] : [spiffeId],
  };
  return { commonName: commonName ?? "", sans };
}

async function textOf(files: Files, path: string, key: string): Promise<string> {
  try {
    return Buffer.from(await files.read(path, MAX_FILE_BYTES)).toString("utf8");
  } catch (cause) {
    throw new AgentError("ERR_FILE_IO", `${key}: can't read ${path}: ${errorText(cause)}`, {
      cause,
      fields: { path },
    });
  }
}
