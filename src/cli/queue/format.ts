/**
 * The rotation queue as text for people.
 */
import { formatMoment, formatSpan } from "../../identity/span-words.ts";
import type { QueueEntryView, QueueListView, QueueView } from "../../sidecar/queue-operations.ts";
import { paint } from "../format/style.ts";
import { table } from "../format/table.ts";
import type { Output } from "../terminal.ts";

const HEADING = ["id", "state", "step", "attempts", "next attempt", "last error"];

/** @param nowMs Unix milliseconds. */
export function formatQueue(
  { entries, durable, fault, healed }: QueueListView,
  out: Output,
  nowMs: number,
): string {
  const rows = entries.map((entry) => [
    entry.id,
    paint(out, entry.state === "failed" ? "red" : "green", entry.state),
    entry.step ?? "-",
    String(entry.attempts),
    nextWords(entry, nowMs),
    // What an attempt before the good one met is history: `--json` has it.
    entry.state === "done" ? "-" : (entry.lastError ?? "-"),
  ]);
  const list = rows.length === 0 ? "the queue is empty" : table(HEADING, rows);
  const warnings = healed.map((words) => `repaired: ${words}`);
  if (!durable) warnings.push(`in memory only: ${fault ?? "it can't be written"}`);
  return [list, ...warnings.map((words) => paint(out, "red", words))].join("\n");
}

const HELD: Readonly<Record<NonNullable<QueueEntryView["heldBy"]>, string>> = {
  "power-up": "after power-up each device waits its own time",
  "back-off": "other attempts have failed",
  tokens: "too many attempts at once",
  another: "after the one under way",
  refused: "refused, so asked rarely; `queue retry` asks now",
  early: "its time has not come",
  "no-handler": "the configuration has nothing that does it",
  "no-agent": "when the agent runs",
};

function nextWords(entry: QueueEntryView, nowMs: number): string {
  const { state, nextAttemptAt, heldBy, heldUntil } = entry;
  if (state === "running") return "under way";
  if (nextAttemptAt === null) return "-";
  const own = nextAttemptAt - nowMs;
  const at = Math.max(nextAttemptAt, heldUntil ?? nextAttemptAt);
  const when = at <= nowMs ? "due" : `in ${formatSpan(at - nowMs)} (${formatMoment(at)})`;
  const isHeld = heldBy !== null && (own <= 0 || at > nextAttemptAt);
  if (!isHeld) return when;
  const isBehind = heldBy === "early" && entry.kind === "report" && heldUntil === null;
  return `${when}: ${isBehind ? "older reports come first" : HELD[heldBy]}`;
}

/** One line of `status`. */
export function queueWords({ waiting, running, failed, durable, attempts }: QueueView): string {
  const held = `${waiting} waiting, ${running} running, ${failed} failed for good`;
  const place = durable ? "on flash" : "IN MEMORY ONLY";
  return `${held}, ${place}; ${attempts.begun} attempts, ${attempts.failed} failed`;
}
