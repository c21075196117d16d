/**
 * A question says which configuration it is about: by default all agents that root starts by hand have
 * one socket, and what is meant for one must not be done by another.
 */
import type { IncomingHttpHeaders } from "node:http";
import { AgentError } from "../base/errors.ts";
import { sameFile } from "../host/same-file.ts";

/** Holds an absolute path, URI-encoded. Without it a question is for whoever listens. */
export const CONFIG_HEADER = "microedge-config";

/**
 * @param inUse Absolute path of the configuration of the agent that was asked.
 * @throws AgentError `ERR_CONTROL_UNREACHABLE` when the question is for another agent.
 */
export async function assertMeant(headers: IncomingHttpHeaders, inUse: string): Promise<void> {
  const said = headers[CONFIG_HEADER];
  if (typeof said !== "string") return;
  const meant = decode(said);
  if (await sameFile(meant, inUse)) return;
  throw new AgentError(
    "ERR_CONTROL_UNREACHABLE",
    `the agent that listens there uses another configuration, ${inUse}, not ${meant}`,
    {
      fields: { fix: "name its configuration with --config, or give each agent a control.socket" },
    },
  );
}

/** @throws AgentError `ERR_CONTROL_REQUEST` */
function decode(said: string): string {
  try {
    return decodeURIComponent(said);
  } catch (cause) {
    throw new AgentError("ERR_CONTROL_REQUEST", `${CONFIG_HEADER} is not URI-encoded`, { cause });
  }
}
