/**
 * An error that a handler answers on purpose, with a code and a text of its own choice. Anything else
 * that a handler throws, other than an `AgentError`, is taken for a bug: the peer sees 500 and a
 * correlation id.
 */
export class HandlerError extends Error {
  /** go-micro error code, HTTP-like; 400 to 599. */
  readonly status: number;
  /** Who answers, dotted; `undefined` for the endpoint's own name. */
  readonly id: string | undefined;

  /** @throws RangeError if `status` is not an error code from 400 to 599. */
  constructor(status: number, detail: string, id?: string) {
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`${status} is not an error code; use 400 to 599`);
    }
    super(detail);
    this.name = "HandlerError";
    this.status = status;
    this.id = id;
  }
}
