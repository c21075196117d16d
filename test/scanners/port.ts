/** The real port of the built program, as scanners that nobody here wrote see it. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type AgentProcess, BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { hasCommand, without } from "../fakes/needs.ts";

export const PYTHON = resolve(import.meta.dirname, "../../build/scanners/bin/python");

/** Why the scanners can't run here; `false` when they can, or must. */
export const WITHOUT_SCANNERS =
  without("the bundle (npm run build)", existsSync(BUNDLE)) ||
  without(
    "a scanner (scripts/scanners)",
    existsSync(PYTHON) && ["testssl", "slowhttptest", "stunnel4"].every(hasCommand),
  );

/**
 * Every scanner breaks handshakes off by the hundred; with a tight budget for failed ones its address
 * would be turned away, and it would see nothing.
 */
export function startScanned(
  limits = "failed_handshakes = { rate = 1000, burst = 10000 }",
): Promise<AgentProcess> {
  return startAgent({
    config: `[limits]\n${limits}\n`,
    rpc: "header_timeout_ms = 2000\nbody_timeout_ms = 2000\n",
  });
}
