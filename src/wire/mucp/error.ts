/**
 * go-micro's error body `{id, code, detail, status}`, as it stands in `Micro-Error`
 * (`docs/wire.md`, "Errors"). Stub signature: see the functions below.
 */
export interface MicroError {
  /** Who answers, dotted: `microedge.Agent.Echo`, `go.micro.client`. */
  readonly id: string;
  /** HTTP-like number. */
  readonly code: number;
  readonly detail: string;
  /** Standard text of `code`. */
  readonly status: string;
}
