/**
 * The device's identity as the configuration has it: three files, or the certificate store; none with
 * plain text.
 */
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { TrustedTime } from "../identity/time/trusted-time.ts";
import type { Listener } from "../transport/listener.ts";
import type { AgentPorts } from "./agent-ports.ts";
import type { AgentConfig } from "./config.ts";
import { openFileIdentity } from "./file-identity.ts";
import type { IdentityUse, OwnIdentity } from "./own-identity.ts";
import type { Revocation } from "./revocation.ts";

/** Parts that are built after the identity, which asks them later. */
export interface Late {
  identity?: OwnIdentity | undefined;
  revocation?: Revocation | undefined;
  listener?: Pick<Listener, "address">;
}

export interface IdentityParts {
  readonly config: AgentConfig;
  readonly ports: AgentPorts;
  /** `undefined` without `store.dir`. */
  readonly store: CertificateStore | undefined;
  readonly time: TrustedTime;
  readonly device: Late;
}

/** @throws AgentError `ERR_TLS_MATERIAL`, `ERR_KEY_*`, `ERR_CERT_*` when what is there can't be used. */
export async function openIdentity(
  { config, ports, store, time, device }: IdentityParts,
  signal: AbortSignal,
): Promise<OwnIdentity | undefined> {
  const use: IdentityUse = { usedBy: () => usedBy(device) };
  const { tlsFiles } = config;
  if (tlsFiles !== undefined) return openFileIdentity(tlsFiles, config, ports, use);
  if (store === undefined) return undefined;
  const [{ openStoreIdentity }, { sealingKeyOf }] = await Promise.all([
    import("./store-identity.ts"),
    import("./sealing.ts"),
  ]);
  return openStoreIdentity(
    {
      store,
      sealingKey: sealingKeyOf(config, store.dir, ports),
      config,
      ports,
      log: ports.log.log,
      time,
      use,
      revoked: async (chainPem) => device.revocation?.objections(chainPem) ?? [],
    },
    signal,
  );
}

/** How challenges and statements call this device: its SPIFFE ID, else its common name. */
export function nameOf(identity: OwnIdentity | undefined): string | undefined {
  return identity?.view().spiffeId ?? identity?.leaf?.commonNames[0];
}

function usedBy({ listener }: Late): readonly string[] {
  const bound = listener?.address;
  return [...(bound === undefined ? [] : [`listener ${bound}`]), "outbound connections"];
}
