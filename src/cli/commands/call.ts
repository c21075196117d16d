/**
 * `microedge call`: a go-micro call from the command line.
 */
import { AgentError, errorText, isAgentError } from "../../base/errors.ts";
import { parseAddress } from "../../registry/address.ts";
import type { AdminCall, MessageBytes } from "../../sidecar/admin-operations.ts";
import { readLines } from "../../sidecar/line-reader.ts";
import type { CodecName } from "../../wire/codec/codec.ts";
import { usage } from "../arguments.ts";
import { type Caller, type DirectAddress, withCaller } from "../calling/caller.ts";
import {
  assertTypable,
  formatMessage,
  type MessageForm,
  messageFields,
  parseMetadata,
  readMessage,
} from "../calling/message.ts";
import { command, type Invocation } from "../command.ts";
import { loadConfiguration } from "../configuration.ts";
import { EXIT } from "../exit-codes.ts";
import { parseDuration } from "../format/duration.ts";

const HELP = "microedge help call";
const CODECS: readonly CodecName[] = ["json", "protobuf", "json-rpc", "proto-rpc", "bytes"];
/** What go-micro services accept by default. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** The same in base64, with line ends. */
const MAX_INPUT_BYTES = 6 * 1024 * 1024;

const OPTIONS = {
  address: {
    type: "string",
    value: "HOST:PORT",
    doc: "call this address directly, with the certificates of the configuration; no agent needed",
  },
  "server-name": {
    type: "string",
    value: "NAME",
    doc: "with --address: name that the certificate there must carry, when it is not the host",
  },
  codec: { type: "string", value: "CODEC", doc: `${CODECS.join(", ")}; default json` },
  base64: { type: "boolean", doc: "messages are typed and printed in base64" },
  timeout: {
    type: "string",
    value: "SPAN",
    doc: "for the whole call: 500ms, 5s, 2m; default client.timeout_ms, none for a stream",
  },
  metadata: {
    type: "string",
    multiple: true,
    value: "KEY=VALUE",
    doc: "send along; may be repeated",
  },
  stream: {
    type: "boolean",
    doc: "a stream: each line of stdin is a message, each reply a line of stdout",
  },
} as const;

export const callCommand = command({
  name: "call",
  summary: "call an endpoint of a go-micro service",
  detail:
    "Goes through the running agent, which finds the service, unless --address names one. MESSAGE is JSON; - reads it from stdin; without it the empty message is sent. With protobuf and proto-rpc it is the encoded message, from stdin or with --base64. The reply is printed as it came. Exit code 1 when the service answers with an error.",
  positionals: [
    { name: "SERVICE", doc: "go-micro service name" },
    { name: "ENDPOINT", doc: "Handler.Method" },
    { name: "MESSAGE", doc: "the request, or - for stdin", optional: true },
  ],
  options: OPTIONS,
  examples: [
    `microedge call microedge Agent.Echo '{"text":"hello"}'`,
    `microedge call greeter Greeter.Hello '{"name":"ann"}' --timeout 2s --metadata trace=7`,
    `microedge call microedge Agent.Info --address gateway.local:8443`,
    `printf '{"text":"a"}\\n{"text":"b"}\\n' | microedge call microedge Agent.EchoStream --stream`,
  ],
  async run(invocation) {
    const { terminal, configFile, options } = invocation;
    const form = { codec: parseCodec(options.codec), base64: options.base64 };
    const call = readCall(invocation, form.codec);
    const direct = parseDirect(options.address, options["server-name"]);
    const loaded = await loadConfiguration(terminal, configFile);
    const body = options.stream ? undefined : await readBody(invocation, form);
    return withCaller(terminal, loaded, direct, (caller) =>
      body === undefined
        ? runStream(invocation, call, form, caller)
        : runUnary(invocation, call, body, form, caller),
    );
  },
});

type CallInvocation = Invocation<typeof OPTIONS>;

async function runUnary(
  { terminal, report }: CallInvocation,
  call: AdminCall,
  body: MessageBytes,
  form: MessageForm,
  caller: Caller,
): Promise<number> {
  const reply = await caller.call(call, body, terminal.stdout.closed).catch(explained);
  const { metadata, durationMs, node } = reply;
  const fields = { ...messageFields(reply.body, form), metadata, durationMs, node };
  return report.result(fields, (out) => formatMessage(reply.body, form, out));
}

/** A stream that is opened by a unary call waits for messages, and says nothing until the time is up. */
function explained(thrown: unknown): never {
  if (!isAgentError(thrown, "ERR_RPC_DEADLINE")) throw thrown;
  const { fix = thrown.hint } = thrown.fields;
  if (fix !== thrown.hint) throw thrown;
  throw new AgentError(thrown.code, thrown.message, {
    cause: thrown,
    fields: {
      ...thrown.fields,
      fix: `${fix} with --timeout; if the endpoint is a stream, call it with --stream`,
    },
  });
}

/** A reader that goes away ends the stream: nobody would see more replies. */
async function runStream(
  { terminal, report }: CallInvocation,
  call: AdminCall,
  form: MessageForm,
  caller: Caller,
): Promise<number> {
  const { stdin, stdout } = terminal;
  const messages = messagesOf(readLines(stdin, MAX_MESSAGE_BYTES), form);
  try {
    for await (const body of caller.stream(call, messages, stdout.closed)) {
      report.item(messageFields(body, form), (out) => formatMessage(body, form, out));
    }
  } catch (thrown) {
    if (!stdout.closed.aborted) throw thrown;
  }
  return EXIT.ok;
}

async function* messagesOf(
  lines: AsyncIterable<string>,
  form: MessageForm,
): AsyncGenerator<MessageBytes> {
  for await (const line of lines) yield readMessage(Buffer.from(line, "utf8"), form);
}

async function readBody(
  { terminal, positionals: [, , typed = ""] }: CallInvocation,
  form: MessageForm,
): Promise<MessageBytes> {
  if (typed !== "-") {
    assertTypable(typed, form);
    return readMessage(Buffer.from(typed, "utf8"), form);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of terminal.stdin) {
    size += chunk.length;
    if (size > MAX_INPUT_BYTES) throw usage(`stdin holds more than ${MAX_INPUT_BYTES} bytes`, HELP);
    chunks.push(chunk);
  }
  return readMessage(Buffer.concat(chunks), form);
}

function readCall(
  { options, positionals: [service = "", endpoint = ""] }: CallInvocation,
  codec: CodecName,
): AdminCall {
  const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout);
  if (options.timeout !== undefined && timeoutMs === undefined) {
    throw usage(`--timeout must be a span with its unit, as 500ms, 5s or 2m`, HELP);
  }
  return { service, endpoint, codec, metadata: parseMetadata(options.metadata), timeoutMs };
}

function parseCodec(name: string | undefined): CodecName {
  const codec = CODECS.find((known) => known === (name ?? "json"));
  if (codec === undefined) throw usage(`--codec must be one of ${CODECS.join(", ")}`, HELP);
  return codec;
}

function parseDirect(
  address: string | undefined,
  serverName: string | undefined,
): DirectAddress | undefined {
  if (address === undefined) {
    if (serverName !== undefined) throw usage("--server-name goes with --address", HELP);
    return undefined;
  }
  try {
    parseAddress(address, "--address");
  } catch (thrown) {
    throw usage(errorText(thrown), HELP);
  }
  return { address, serverName };
}
