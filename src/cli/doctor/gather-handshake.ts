import type { AgentConfig } from "../../agent/config.ts";
import type { Terminal } from "../terminal.ts";
import type { Fact, HandshakeFact } from "./facts.ts";
export async function gatherHandshake(
  _t: Terminal,
  _c: AgentConfig,
  _a: string,
): Promise<Fact<HandshakeFact>> {
  return { missing: "not looked", code: undefined };
}
