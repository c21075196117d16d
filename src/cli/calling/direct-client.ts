/**
 * A client of the command line's own, for calls that do not go through the agent: same configuration,
 * same certificates, same checks of the peer.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import { buildOutbound } from "../../agent/outbound.ts";
import { SILENT } from "../../base/log.ts";
import { systemFiles } from "../../host/files.ts";
import { LineLog } from "../../host/line-log.ts";
import { formatText } from "../../host/log-format.ts";
import { systemNetwork } from "../../host/network.ts";
import { openFileSource } from "../../identity/file-source.ts";
import type { Client } from "../../rpc/client/client.ts";
import type { Terminal } from "../terminal.ts";

/**
 * Runs `use` with a client and closes it afterwards.
 *
 * @throws AgentError `ERR_TLS_MATERIAL` when the certificate files can't be used; what `use` throws.
 */
export async function withDirectClient<T>(
  terminal: Terminal,
  { config }: LoadedConfig,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const { clock, random } = terminal;
  await using parts = new AsyncDisposableStack();
  const files = config.tlsFiles;
  const source =
    files === undefined
      ? undefined
      : await openFileSource({
          paths: { cert: files.certPath, key: files.keyPath, ca: files.caPath },
          reloadIntervalMs: config.tls.reloadIntervalMs,
          files: systemFiles,
          clock,
          log: SILENT,
        });
  if (source !== undefined) parts.use(source);
  // What happens reaches the user as the error of the call; nobody reads a log here.
  const log = new LineLog({
    sink: { write: () => undefined },
    format: formatText({ colour: false }),
    clock,
    level: "error",
  });
  const outbound = buildOutbound(config, { clock, random, network: systemNetwork, log }, source);
  parts.use(outbound);
  // Awaited here: the client closes when this function is left.
  return await use(outbound.client);
}
