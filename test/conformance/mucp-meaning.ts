/**
 * What each recorded connection means, whatever the version: read off `index.json` and the service that
 * was recorded, not off our own reader.
 */
import type { CodecName } from "#src/wire/codec/codec.ts";
import type { MicroError } from "#src/wire/mucp/error.ts";
import type { MessageRole } from "#src/wire/mucp/request.ts";
import type { PlainMessage } from "./mucp-greeter.ts";

export interface MeantRequest {
  readonly role: MessageRole;
  readonly id: string;
  /** `undefined` where the body means nothing. */
  readonly value: PlainMessage | undefined;
}

export type MeantReply =
  | { readonly kind: "ok"; readonly value: PlainMessage }
  | { readonly kind: "error"; readonly error: MicroError }
  | { readonly kind: "end-of-stream" };

export interface Meaning {
  readonly codec: CodecName;
  /** `Handler.Method`. */
  readonly endpoint: string;
  readonly timeoutMs: number | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly requests: readonly MeantRequest[];
  /** `known-bad`: the server corrupted them; `none`: it never answered. */
  readonly replies: readonly MeantReply[] | "known-bad" | "none";
}

const ANN = { firstName: "ann", seqNo: "7" };
const ZEROS = { blob: "00000000" };
const HELLO = { greetingText: "hello ann", seqNo: "7" };

const call = (value: PlainMessage = ANN, id = "0"): MeantRequest => ({
  role: "unary",
  id,
  value,
});
const open: MeantRequest = { role: "open", id: "0", value: undefined };
const say = (firstName: string, seqNo?: string): MeantRequest => ({
  role: "message",
  id: "0",
  value: seqNo === undefined ? { firstName } : { firstName, seqNo },
});
const end: MeantRequest = { role: "end", id: "0", value: undefined };

const ok = (value: PlainMessage): MeantReply => ({ kind: "ok", value });
const chat = (name: string, seqNo?: string): MeantReply =>
  ok(
    seqNo === undefined
      ? { greetingText: `chat ${name}` }
      : { greetingText: `chat ${name}`, seqNo },
  );
const fails = (id: string, code: number, detail: string, status: string): MeantReply => ({
  kind: "error",
  error: { id, code, detail, status },
});

const unary = (
  codec: CodecName,
  method: string,
  replies: Meaning["replies"],
  more: Partial<Meaning> = {},
): Meaning => ({
  codec,
  endpoint: `Greeter.${method}`,
  timeoutMs: 5000,
  requests: [call()],
  replies,
  ...more,
});

const streamed = (
  codec: CodecName,
  method: string,
  requests: readonly MeantRequest[],
  replies: Meaning["replies"],
): Meaning => ({
  codec,
  endpoint: `Greeter.${method}`,
  timeoutMs: undefined,
  requests: [open, ...requests, end],
  replies,
});

const NO_ANN = [fails("greeter.fail", 404, "no such ann", "Not Found")];
const ASK_THREE: MeantRequest = {
  role: "message",
  id: "0",
  value: { firstName: "ann", seqNo: "3" },
};

export const MEANINGS: Readonly<Record<string, Meaning>> = {
  "json-unary": unary("json", "Hello", [ok(HELLO)]),
  "json-unary-twice": unary("json", "Hello", [ok(HELLO), ok(HELLO)], {
    requests: [call(ANN, "0"), call(ANN, "1")],
  }),
  "proto-unary": unary("protobuf", "Hello", [ok({ ...HELLO, ...ZEROS })], {
    requests: [call({ ...ANN, ...ZEROS })],
  }),
  "jsonrpc-unary": unary("json-rpc", "Hello", [ok(HELLO)]),
  "protorpc-unary": unary("proto-rpc", "Hello", [ok(HELLO)]),
  "legacy-json-unary": unary("json-rpc", "Hello", [ok(HELLO)]),
  "legacy-proto-unary": unary("proto-rpc", "Hello", [ok(HELLO)]),
  "json-error": unary("json", "Fail", NO_ANN),
  "proto-error": unary("protobuf", "Fail", NO_ANN),
  "jsonrpc-error": unary("json-rpc", "Fail", NO_ANN),
  "protorpc-error": unary("proto-rpc", "Fail", NO_ANN),
  "json-plain-error": unary("json", "Plain", [
    fails("", 500, "plain failure for ann", "Internal Server Error"),
  ]),
  "json-unknown-service": unary(
    "json",
    "",
    [fails("", 404, "rpc: can't find service Nope", "Not Found")],
    { endpoint: "Nope.Hello" },
  ),
  "json-unknown-method": unary("json", "Nope", [
    fails("", 404, "rpc: can't find method Nope", "Not Found"),
  ]),
  "json-illformed-endpoint": unary(
    "json",
    "",
    [fails("", 400, "rpc: service/endpoint request ill-formed: Hello", "Bad Request")],
    { endpoint: "Hello" },
  ),
  "json-panic": unary("json", "Panic", "none", { timeoutMs: 1000 }),
  "json-timeout": unary("json", "Slow", "none", {
    timeoutMs: 300,
    requests: [call({ firstName: "ann", seqNo: "900" })],
  }),
  // The text of the reply lists what the handler saw; it differs from run to run, see the test.
  "json-headers": unary("json", "Headers", [ok({})], { metadata: { authorization: "Bearer-x" } }),
  "json-chat": streamed(
    "json",
    "Chat",
    [say("ann0"), say("ann1", "1"), say("ann2", "2")],
    [chat("ann0"), chat("ann1", "1"), chat("ann2", "2")],
  ),
  "proto-chat": streamed(
    "protobuf",
    "Chat",
    [say("ann0"), say("ann1", "1"), say("ann2", "2")],
    [chat("ann0"), chat("ann1", "1"), chat("ann2", "2")],
  ),
  "jsonrpc-chat": streamed(
    "json-rpc",
    "Chat",
    [say("ann0"), say("ann1", "1")],
    [chat("ann0"), chat("ann1", "1")],
  ),
  "json-chat-fail": streamed(
    "json",
    "Chat",
    [say("ann0"), say("fail")],
    [chat("ann0"), fails("greeter.chat", 500, "chat failed", "Internal Server Error")],
  ),
  "json-chat-bye": streamed(
    "json",
    "Chat",
    [say("ann0"), say("bye")],
    [chat("ann0"), { kind: "end-of-stream" }],
  ),
  "json-count": streamed("json", "Count", [ASK_THREE], "known-bad"),
  "proto-count": streamed("protobuf", "Count", [ASK_THREE], "known-bad"),
};
