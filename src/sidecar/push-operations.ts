/**
 * What can be brought to the device: to a running agent over the control socket, or to the store while no
 * agent runs.
 *
 * | request | answer |
 * |---|---|
 * | `POST /v1/certificate/later` | `{certificatesPem, keyPem?, trustPem?, force?}` -> `{id, generation, state}`, as soon as it is durable |
 * | `POST /v1/trust/update` | `{text}`: signed trust updates -> what became of them |
 */
import { AgentError } from "../base/errors.ts";
import type { IntentState } from "../queue/intent.ts";
import type { TrustUpdateOutcome } from "../rotation/trust-updates.ts";
import { parseImport } from "./certificate-api.ts";
import type { ImportRequest } from "./certificate-operations.ts";

export type LaterRequest = Omit<ImportRequest, "dryRun">;

export interface AcceptedView {
  /** Of the entry in the queue: `install-7`. */
  readonly id: string;
  readonly generation: number;
  readonly state: IntentState;
}

export interface PushOperations {
  /**
   * Resolves when it is on the disk; it goes in force as soon as it may.
   *
   * @throws AgentError `ERR_IMPORT_INVALID`, `ERR_CERT_INVALID`, `ERR_CERT_REFUSED`, `ERR_KEY_*`, `ERR_STORE_*`, `ERR_QUEUE_*`:
   *   nothing was kept.
   */
  installLater(request: LaterRequest): Promise<AcceptedView>;
  /**
   * Resolves when it is in force, or waits.
   *
   * @throws AgentError `ERR_TRUST_UPDATE` for what does not count here, `ERR_STORE_*`, `ERR_QUEUE_*`.
   */
  takeTrust(text: string): Promise<TrustUpdateOutcome>;
}

type Members = Readonly<Record<string, unknown>>;
type Ask = (method: "GET" | "POST", path: string, body?: Members) => Promise<Members>;

/** By method and path. */
export function pushRoutes(
  operations: PushOperations,
): ReadonlyMap<string, (members: Members) => Promise<unknown>> {
  return new Map<string, (members: Members) => Promise<unknown>>([
    ["POST /v1/certificate/later", (members) => operations.installLater(parseImport(members))],
    ["POST /v1/trust/update", (members) => operations.takeTrust(textOf(members))],
  ]);
}

/** {@link PushOperations} of an agent in another process. */
export class PushClient implements PushOperations {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async installLater(request: LaterRequest): Promise<AcceptedView> {
    const answer = await this.#ask("POST", "/v1/certificate/later", { ...request });
    return answer as unknown as AcceptedView;
  }

  async takeTrust(text: string): Promise<TrustUpdateOutcome> {
    const answer = await this.#ask("POST", "/v1/trust/update", { text });
    return answer as unknown as TrustUpdateOutcome;
  }
}

function textOf({ text }: Members): string {
  if (typeof text === "string" && text !== "") return text;
  throw new AgentError("ERR_CONTROL_REQUEST", "text must be text and not empty");
}
