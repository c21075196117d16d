/**
 * The part of the control socket that concerns the rotation queue.
 *
 * | request | answer |
 * |---|---|
 * | `GET /v1/queue` | `{entries, durable, fault, healed}` |
 * | `POST /v1/queue/retry`, `/v1/queue/drop` | `{id}` -> the entry |
 */
import { AgentError } from "../base/errors.ts";
import type { QueueEntryView, QueueListView, QueueOperations } from "./queue-operations.ts";

type Members = Readonly<Record<string, unknown>>;

/** By method and path. */
export function queueRoutes(
  operations: QueueOperations,
): ReadonlyMap<string, (members: Members) => Promise<unknown>> {
  return new Map<string, (members: Members) => Promise<unknown>>([
    ["GET /v1/queue", () => operations.list()],
    ["POST /v1/queue/retry", (members) => operations.retry(idOf(members))],
    ["POST /v1/queue/drop", (members) => operations.drop(idOf(members))],
  ]);
}

/** {@link QueueOperations} of an agent in another process. */
export class QueueClient implements QueueOperations {
  readonly #ask: (method: "GET" | "POST", path: string, body?: Members) => Promise<Members>;

  constructor(ask: (method: "GET" | "POST", path: string, body?: Members) => Promise<Members>) {
    this.#ask = ask;
  }

  async list(): Promise<QueueListView> {
    return (await this.#ask("GET", "/v1/queue")) as unknown as QueueListView;
  }

  async retry(id: string): Promise<QueueEntryView> {
    return (await this.#ask("POST", "/v1/queue/retry", { id })) as unknown as QueueEntryView;
  }

  async drop(id: string): Promise<QueueEntryView> {
    return (await this.#ask("POST", "/v1/queue/drop", { id })) as unknown as QueueEntryView;
  }
}

function idOf({ id }: Members): string {
  if (typeof id === "string" && id !== "") return id;
  throw new AgentError("ERR_CONTROL_REQUEST", "id must be text and not empty");
}
