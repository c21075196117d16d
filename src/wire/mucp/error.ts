/**
 * go-micro's error body `{id, code, detail, status}`, as it stands in `Micro-Error`
 * (`docs/wire.md`, "Errors"). It travels in a header, so its length is bounded here.
 */
import type { AgentError } from "../../base/errors.ts";
import { statusText } from "./status-text.ts";

export interface MicroError {
  /** Who answers, dotted: `microedge.Agent.Echo`, `go.micro.client`. */
  readonly id: string;
  /** HTTP-like number. */
  readonly code: number;
  readonly detail: string;
  /** Standard text of `code`. */
  readonly status: string;
}

export { statusText };

/**
 * Longest `detail` that we send, in UTF-16 units. JSON and UTF-8 may make six bytes of each, so that
 * the header stays under 13 KiB: a fifth of what our own reader takes for all headers.
 */
export const MAX_DETAIL = 2048;

/** Longest `id` and `status` that we send, in UTF-16 units. */
const MAX_ID = 128;

/** Longest error text of a peer that we keep, in UTF-16 units. */
const MAX_PEER_TEXT = 16 * 1024;

/** Marks a text that was cut. */
const CUT = "…";

/** What go-micro answers without a code, and the code that it means. */
const KNOWN_TEXTS: readonly (readonly [prefix: string, code: number])[] = [
  ["rpc: can't find service ", 404],
  ["rpc: can't find method ", 404],
  ["rpc: service/endpoint request ill-formed: ", 400],
  ["unsupported Content-Type: ", 415],
];

/** What a Go handler returns when its own deadline passes. */
const DEADLINE_TEXT = "context deadline exceeded";

/** The value of `Micro-Error`: one line of JSON, the members in go-micro's order, long texts cut. */
export function formatMicroError(error: MicroError): string {
  return JSON.stringify({
    id: cut(error.id, MAX_ID),
    code: error.code,
    detail: cut(error.detail, MAX_DETAIL),
    status: cut(error.status, MAX_ID),
  });
}

/**
 * What a peer says went wrong. Never fails: a text that is not go-micro's JSON, or whose `code` is 0,
 * becomes `detail` as it stands, with the code it is known to mean, or 500.
 */
export function parseMicroError(text: string): MicroError {
  const typed = text.startsWith("{") ? parseTyped(text) : undefined;
  if (typed !== undefined) return typed;
  const code = codeOfText(text);
  return { id: "", code, detail: cut(text, MAX_PEER_TEXT), status: statusText(code) };
}

/** What the peer of a failed call is told; `id` says who answers. Never the cause. */
export function microErrorOf(error: AgentError, id: string): MicroError {
  return { id, code: error.status, detail: detailOf(error), status: statusText(error.status) };
}

/** How long the peer should wait before it tries again; `undefined`: nothing is known. */
export function retryAfterMsOf(error: AgentError): number | undefined {
  const asked = error.fields["retry_after_ms"];
  return typeof asked === "number" ? asked : undefined;
}

/** go-micro's errors have no place for a wait, so an error that asks for one has JSON for its detail. */
function detailOf(error: AgentError): string {
  const retryAfterMs = retryAfterMsOf(error);
  if (retryAfterMs === undefined) return error.message;
  const { limit } = error.fields;
  return JSON.stringify({ message: error.message, limit, retry_after_ms: retryAfterMs });
}

function parseTyped(text: string): MicroError | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined; // a plain text that begins with a brace
  }
  const { id, code, detail, status } = parsed as Readonly<Record<string, unknown>>;
  // An int32 in Go; anything else was not made by go-micro.
  if (typeof code !== "number" || code === 0 || (code | 0) !== code) return undefined;
  return {
    id: cut(textOf(id), MAX_PEER_TEXT),
    code,
    detail: cut(textOf(detail), MAX_PEER_TEXT),
    status: textOf(status) === "" ? statusText(code) : cut(textOf(status), MAX_PEER_TEXT),
  };
}

function textOf(member: unknown): string {
  return typeof member === "string" ? member : "";
}

function codeOfText(text: string): number {
  if (text === DEADLINE_TEXT) return 408;
  return KNOWN_TEXTS.find(([prefix]) => text.startsWith(prefix))?.[1] ?? 500;
}

/** At most `max` units, never half a surrogate pair. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const end = max - CUT.length;
  const last = text.charCodeAt(end - 1);
  const split = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, split ? end - 1 : end) + CUT;
}
