/** What the rotation queue holds, in figures. Pure. */
import type { Intent } from "../queue/intent.ts";
import type { QueueCountView } from "../sidecar/queue-operations.ts";

/** Kinds and states without any are left out. */
export function countByKind(intents: readonly Intent[]): readonly QueueCountView[] {
  const groups = Object.values(Object.groupBy(intents, ({ kind, state }) => `${kind} ${state}`));
  return groups.flatMap((group = []) =>
    group.slice(0, 1).map(({ kind, state }) => ({ kind, state, count: group.length })),
  );
}

/** `null` when nothing waits. A clock that went back makes nothing younger than new. */
export function oldestWaitingMs(intents: readonly Intent[], nowMs: number): number | null {
  const waiting = intents.filter(({ state }) => state === "waiting");
  if (waiting.length === 0) return null;
  return Math.max(0, nowMs - Math.min(...waiting.map(({ createdAt }) => createdAt)));
}
