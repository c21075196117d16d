/**
 * Calls the agent at its own listener, as a peer would: TCP, mutual TLS, and one answer.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import { ownNode } from "../../agent/own-node.ts";
import { AgentError, isAgentError } from "../../base/errors.ts";
import type { Certificate } from "../../identity/x509/certificate.ts";
import { parseAddress } from "../../registry/address.ts";
import { RemoteError } from "../../rpc/client/remote-error.ts";
import type { AdminClient } from "../../sidecar/admin-client.ts";
import type { AdminCall, StatusView } from "../../sidecar/admin-operations.ts";
import { withDirectClient } from "../calling/direct-client.ts";
import { withOwnSide } from "../certificates/own-side.ts";
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
  const call = { service: agent.name, endpoint: "Debug.Health", address, serverName };
  try {
    await withOwnSide(terminal, loaded, async (own) => {
      if (own.kind === "agent") return askAgent(own.agent, call);
      const source = own.kind === "source" ? own.source : undefined;
      const options = {
        address,
        serverName,
        timeoutMs: TIMEOUT_MS,
        retries: 0,
        codec: "json",
      } as const;
      return withDirectClient(terminal, loaded.config, source, (client) =>
        client.call(call.service, call.endpoint, {}, options),
      );
    });
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

/**
 * The key is the agent's alone, so it calls itself: a handshake that is new for certain, since a call may
 * go over a connection that is open already, and then the call.
 */
async function askAgent(
  agent: AdminClient,
  call: Pick<AdminCall, "service" | "endpoint"> & {
    address: string;
    serverName: string | undefined;
  },
): Promise<void> {
  const { address, serverName } = call;
  const { host, port } = parseAddress(address);
  const { findings } = await agent.probe({
    ...{ host, port, serverName, timeoutMs: TIMEOUT_MS },
    // Else each look would count as a peer that came without a certificate, in the log and in the figures.
    ownOnly: true,
  });
  const bad = findings.find(({ level }) => level === "fail");
  if (bad !== undefined) {
    throw new AgentError("ERR_RPC_CONNECT", bad.words, { fields: { fix: bad.fix } });
  }
  const question = { ...call, codec: "json", metadata: new Map(), timeoutMs: TIMEOUT_MS } as const;
  await agent.call(question, Buffer.from("{}"));
}
