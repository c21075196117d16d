/**
 * Calls the agent at its own listener, as a peer would: TCP, mutual TLS, and one answer.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import { ownNode } from "../../agent/own-node.ts";
import { isAgentError } from "../../base/errors.ts";
import type { Certificate } from "../../identity/x509/certificate.ts";
import { parseAddress } from "../../registry/address.ts";
import { RemoteError } from "../../rpc/client/remote-error.ts";
import type { StatusView } from "../../sidecar/admin-operations.ts";
import { withDirectClient } from "../calling/direct-client.ts";
import { formatDuration } from "../format/duration.ts";
import { describe } from "../report.ts";
import type { Terminal } from "../terminal.ts";
import type { HandshakeFact } from "./facts.ts";

const TIMEOUT_MS = 5_000;
const FORBIDDEN = 403;

/**
 * @param agent What the agent says of itself, its address and its service among it.
 * @param leaf The certificate in `tls.cert`; `undefined` without TLS.
 */
export async function gatherHandshake(
  terminal: Terminal,
  loaded: LoadedConfig,
  agent: StatusView,
  leaf: Certificate | undefined,
): Promise<HandshakeFact> {
  const { listen, address: configured } = agent.listener;
  const { address, serverName } = ownNode(parseAddress(listen ?? configured), leaf);
  const { clock } = terminal;
  const startedAt = clock.monotonicMs();
  try {
    await withDirectClient(terminal, loaded, (client) =>
      client.call(
        agent.name,
        "Debug.Health",
        {},
        {
          address,
          serverName,
          timeoutMs: TIMEOUT_MS,
          retries: 0,
          codec: "json",
        },
      ),
    );
  } catch (thrown) {
    if (!isAgentError(thrown)) throw thrown;
    // it took our certificate and answered; that this device has no role at itself is no fault
    if (thrown instanceof RemoteError && thrown.remote.code === FORBIDDEN) {
      const words = `${address} shook hands; [acl] gives this device's own certificate no Debug.Health`;
      return { address, good: true, words, fix: undefined };
    }
    const { message, hint } = describe(thrown);
    return { address, good: false, words: message, fix: hint };
  }
  const span = formatDuration(clock.monotonicMs() - startedAt);
  const how = loaded.config.rpc.insecurePlaintext ? "without TLS" : "over mutual TLS";
  return { address, good: true, words: `${address} answered ${how} in ${span}`, fix: undefined };
}
