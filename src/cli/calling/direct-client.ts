/**
 * A client of the command line's own, for calls that do not go through the agent: same configuration,
 * same certificates, same checks of the peer.
 */
import type { AgentConfig } from "../../agent/config.ts";
import { buildOutbound } from "../../agent/outbound.ts";
import { LineLog } from "../../host/line-log.ts";
import { formatText } from "../../host/log-format.ts";
import { systemNetwork } from "../../host/network.ts";
import type { TlsMaterialSource } from "../../identity/tls-material.ts";
import type { Client } from "../../rpc/client/client.ts";
import type { Terminal } from "../terminal.ts";

/**
 * Runs `use` with a client and closes it afterwards.
 *
 * @param source `undefined` with `rpc.insecure_plaintext`.
 */
export async function withDirectClient<T>(
  { clock, random }: Terminal,
  config: AgentConfig,
  source: TlsMaterialSource | undefined,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  // What happens reaches the user as the error of the call; nobody reads a log here.
  const log = new LineLog({
    sink: { write: () => undefined },
    format: formatText({ colour: false }),
    clock,
    level: "error",
  });
  const ports = { clock, random, network: systemNetwork, log };
  await using outbound = buildOutbound(config, ports, source);
  // Awaited here: the client closes when this function is left.
  return await use(outbound.client);
}
