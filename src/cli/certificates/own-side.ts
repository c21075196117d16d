/**
 * How a command shows this device's own certificate to somebody else: out of the `[tls]` files, out of
 * the store of a stopped agent, or through the agent, which then does it itself: its store is locked, and
 * its private key never leaves it.
 */
import type { AgentConfig, LoadedConfig } from "../../agent/config.ts";
import { SILENT } from "../../base/log.ts";
import type { TlsMaterialSource } from "../../identity/tls-material.ts";
import { AdminClient } from "../../sidecar/admin-client.ts";
import { machinePorts } from "../machine-ports.ts";
import type { Terminal } from "../terminal.ts";
import { answers } from "./desk.ts";

export type OwnSide =
  /** `rpc.insecure_plaintext`: the device has no certificate. */
  | { readonly kind: "none" }
  | { readonly kind: "source"; readonly source: TlsMaterialSource }
  | { readonly kind: "agent"; readonly agent: AdminClient };

/**
 * Runs `use` and closes what was opened for it. With `[tls]` files no agent is asked.
 *
 * @throws AgentError `ERR_TLS_MATERIAL`, `ERR_STORE_*`, `ERR_KEY_*`; what `use` throws.
 */
export async function withOwnSide<T>(
  terminal: Terminal,
  { config }: LoadedConfig,
  use: (side: OwnSide) => Promise<T>,
): Promise<T> {
  if (config.tlsFiles !== undefined) {
    await using source = await openFiles(terminal, config);
    return await use({ kind: "source", source });
  }
  if (config.store.dir === undefined) return use({ kind: "none" });
  const agent = new AdminClient(config.controlSocketPath, config.file);
  if (await answers(agent)) return use({ kind: "agent", agent });
  const { openIdleStore } = await import("../../agent/idle-store.ts");
  await using store = await openIdleStore(config, await machinePorts(terminal));
  return await use({ kind: "source", source: await store.source() });
}

async function openFiles({ clock }: Terminal, { tls, tlsFiles }: AgentConfig) {
  if (tlsFiles === undefined) throw new TypeError("asked for only with files");
  const [{ openFileSource }, { systemFiles }] = await Promise.all([
    import("../../identity/file-source.ts"),
    import("../../host/files.ts"),
  ]);
  return openFileSource({
    paths: { cert: tlsFiles.certPath, key: tlsFiles.keyPath, ca: tlsFiles.caPath },
    reloadIntervalMs: tls.reloadIntervalMs,
    files: systemFiles,
    clock,
    log: SILENT,
  });
}
