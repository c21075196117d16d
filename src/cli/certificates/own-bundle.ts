/**
 * The certificates of a device with a certificate store, for a command that judges by them: nothing
 * secret is asked for.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import { isAgentError } from "../../base/errors.ts";
import type { CertificateOperations } from "../../sidecar/certificate-operations.ts";
import type { Terminal } from "../terminal.ts";
import { openDeskOf } from "./desk.ts";

export interface OwnPem {
  /** Leaf first. */
  readonly chain: string;
  readonly trustBundle: string;
}

/** `undefined` while the store is empty. @throws AgentError `ERR_STORE_*`, `ERR_KEY_*`. */
export async function ownPem(certificates: CertificateOperations): Promise<OwnPem | undefined> {
  try {
    const { files } = await certificates.export({ format: "certificates", passphrase: undefined });
    const text = (ending: string): string => {
      const file = files.find(({ name }) => name === ending);
      return Buffer.from(file?.base64 ?? "", "base64").toString("utf8");
    };
    return { chain: text("chain.pem"), trustBundle: text("ca.pem") };
  } catch (thrown) {
    if (isAgentError(thrown, "ERR_IDENTITY_NONE")) return undefined;
    throw thrown;
  }
}

/**
 * Reads the trust bundle of the store when it is first asked for, and once; `undefined` without a store,
 * and while it is empty.
 */
export function bundleReader(
  terminal: Terminal,
  loaded: LoadedConfig,
): () => Promise<string | undefined> {
  let bundle: Promise<string | undefined> | undefined;
  const read = async (): Promise<string | undefined> => {
    if (loaded.config.store.dir === undefined) return undefined;
    await using desk = await openDeskOf(terminal, loaded);
    return (await ownPem(desk.certificates))?.trustBundle;
  };
  return () => {
    bundle ??= read();
    return bundle;
  };
}
