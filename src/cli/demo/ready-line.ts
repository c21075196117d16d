/**
 * What an agent's log says that it is ready.
 */

/** `agent.ready` of a JSON log, and the address in it. */
export function readyLine(line: string): string | undefined {
  if (!line.startsWith("{")) return undefined;
  const { event, listen } = JSON.parse(line) as { event?: unknown; listen?: unknown };
  return event === "agent.ready" && typeof listen === "string" ? listen : undefined;
}
