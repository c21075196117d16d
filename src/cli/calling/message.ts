/**
 * Messages as they are typed and printed, for each kind of codec. Pure.
 */
import { errorText } from "../../base/errors.ts";
import type { MessageBytes } from "../../sidecar/admin-operations.ts";
import type { CodecName } from "../../wire/codec/codec.ts";
import { parseJson } from "../../wire/codec/json-text.ts";
import { usage } from "../arguments.ts";
import type { Output } from "../terminal.ts";

export interface MessageForm {
  readonly codec: CodecName;
  /** Messages are typed and printed in base64. */
  readonly base64: boolean;
}

const HELP = "microedge help call";

function isJson({ codec }: MessageForm): boolean {
  return codec === "json" || codec === "json-rpc";
}

/**
 * Checks that the text can be a message, so that a mistyped quote is explained here and not by a peer.
 *
 * @throws AgentError `ERR_USAGE`.
 */
export function readMessage(typed: Uint8Array, form: MessageForm): MessageBytes {
  if (form.base64) return readBase64(typed);
  if (!isJson(form) || typed.length === 0) return typed;
  try {
    parseJson(typed);
  } catch (thrown) {
    throw usage(`the message is not JSON: ${errorText(thrown)}`, HELP);
  }
  return typed;
}

/**
 * Refuses what looks like the JSON of a protobuf message: the command has no descriptors to encode it by.
 *
 * @throws AgentError `ERR_USAGE`.
 */
export function assertTypable(typed: string, { codec, base64 }: MessageForm): void {
  if (typed === "" || base64 || (codec !== "protobuf" && codec !== "proto-rpc")) return;
  throw usage(
    `a ${codec} message is bytes: type it in base64 with --base64, or give it on stdin with -`,
    HELP,
  );
}

function readBase64(typed: Uint8Array): MessageBytes {
  const text = Buffer.from(typed).toString("latin1").replace(/\s/g, "");
  const bytes = Buffer.from(text, "base64");
  const plain = (base64: string): string => base64.replace(/=+$/, "");
  if (plain(bytes.toString("base64")) !== plain(text))
    throw usage("the message is not base64", HELP);
  return bytes;
}

/** What goes to the output: text with a line end, or bytes as they are where nobody reads them. */
export function formatMessage(
  body: MessageBytes,
  form: MessageForm,
  out: Output,
): string | Uint8Array {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (isJson(form)) return `${buffer.toString("utf8")}\n`;
  if (form.base64 || out.isTerminal) return `${buffer.toString("base64")}\n`;
  return buffer;
}

/** A message in a JSON document: its exact text, or base64. */
export function messageFields(
  body: MessageBytes,
  form: MessageForm,
): { readonly body: string } | { readonly bodyBase64: string } {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return isJson(form)
    ? { body: buffer.toString("utf8") }
    : { bodyBase64: buffer.toString("base64") };
}

/** `--metadata key=value`, any number of times. @throws AgentError `ERR_USAGE`. */
export function parseMetadata(pairs: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      // The value may be a token: it is not repeated.
      if (at < 1) throw usage("--metadata must be KEY=VALUE", HELP);
      return [pair.slice(0, at), pair.slice(at + 1)] as const;
    }),
  );
}
