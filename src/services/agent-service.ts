/**
 * The agent's own endpoints: `Agent.Info`, `Agent.Echo`, `Agent.EchoStream` (`proto/agent.proto`).
 */
import { create } from "@bufbuild/protobuf";
import { principalName } from "../base/principal.ts";
import type { Clock } from "../host/clock.ts";
import { stream, unary } from "../rpc/endpoint.ts";
import type { EndpointTable } from "../rpc/server/endpoint-table.ts";
import { messageShape } from "../wire/codec/message-shape.ts";
import { EchoSchema, InfoRequestSchema, InfoResponseSchema } from "./gen/agent_pb.ts";

export interface AgentFacts {
  /** go-micro service name of this agent. */
  readonly name: string;
  readonly version: string;
  /** Monotonic milliseconds at which the agent was ready. */
  readonly readyAtMs: number;
}

/** A body in raw bytes is `data`, both ways. */
const echoShape = messageShape(EchoSchema, { bytesField: "data" });
const infoRequestShape = messageShape(InfoRequestSchema);
const infoResponseShape = messageShape(InfoResponseSchema);

/** Registers the `Agent` handler under the agent's service name. */
export function registerAgentService(table: EndpointTable, facts: AgentFacts, clock: Clock): void {
  table.register(
    facts.name,
    "Agent.Echo",
    unary({
      kind: "read",
      request: echoShape,
      response: echoShape,
      handle: (message) => message,
    }),
  );
  table.register(
    facts.name,
    "Agent.EchoStream",
    stream({
      kind: "read",
      request: echoShape,
      response: echoShape,
      handle: (messages) => messages,
    }),
  );
  table.register(
    facts.name,
    "Agent.Info",
    unary({
      kind: "read",
      request: infoRequestShape,
      response: infoResponseShape,
      handle: (_request, call) =>
        create(InfoResponseSchema, {
          name: facts.name,
          version: facts.version,
          uptime: BigInt(Math.max(0, Math.floor((clock.monotonicMs() - facts.readyAtMs) / 1000))),
          endpoints: table.list().map(({ service, name }) => `${service}/${name}`),
          peer: principalName(call.peer),
        }),
    }),
  );
}
