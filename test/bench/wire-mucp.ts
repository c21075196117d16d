/**
 * CPU per message of the mucp wire alone: no socket, no TLS, no codec. Run by hand:
 * `./scripts/node test/bench/wire-mucp.ts [calls]`.
 */
import type { RequestHead, ResponseHead } from "#src/wire/mucp/message.ts";
import { requestReader, responseReader } from "#src/wire/mucp/message-reader.ts";
import { formatReply, formatRequest } from "#src/wire/mucp/message-writer.ts";
import { readReply, replyHeaders } from "#src/wire/mucp/reply.ts";
import { type RequestMeta, readRequest, requestHeaders } from "#src/wire/mucp/request.ts";

const calls = Number(process.argv[2] ?? 300_000);
const body = Buffer.alloc(100, "x");
const target = { host: "127.0.0.1:9100" };
const outgoing = {
  service: "greeter",
  endpoint: "Greeter.Hello",
  id: "12345",
  contentType: "application/json",
  streamId: "12345",
  timeoutMs: 5000,
};
const request = formatRequest(target, requestHeaders(outgoing), body);

let meta: RequestMeta | undefined;
let seen = 0;
const server = requestReader();
const serverSink = {
  onHead: (head: RequestHead): "keep" => {
    meta = readRequest(head);
    return "keep";
  },
  onMessage: (_head: RequestHead, bytes: Uint8Array): void => {
    seen += bytes.length;
  },
};
server.push(request, serverSink);
const to = meta;
if (to === undefined) throw new Error("the request did not parse");
const reply = formatReply(replyHeaders(to), body);
const client = responseReader();
const clientSink = {
  onHead: (): "keep" => "keep",
  onMessage: (head: ResponseHead, bytes: Uint8Array): void => {
    if (readReply(head, bytes).kind === "ok") seen += bytes.length;
  },
};

/** Prints nanoseconds of CPU per call of `step`. */
function measure(name: string, step: () => void): void {
  for (let call = 0; call < calls / 4; call += 1) step();
  const before = process.cpuUsage();
  for (let call = 0; call < calls; call += 1) step();
  const { user, system } = process.cpuUsage(before);
  console.log(`${name.padEnd(44)} ${Math.round(((user + system) * 1000) / calls)} ns`);
}

measure("server: read a request of 100 bytes", () => server.push(request, serverSink));
measure("server: write its reply", () => {
  seen += formatReply(replyHeaders(to), body).length;
});
measure("client: write a request", () => {
  seen += formatRequest(target, requestHeaders(outgoing), body).length;
});
measure("client: read its reply", () => client.push(reply, clientSink));
if (seen < calls) throw new Error("nothing was read");
