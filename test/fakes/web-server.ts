/** A little HTTP server on loopback whose answers a test changes while it runs. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Answer = (request: IncomingMessage, response: ServerResponse, body: Uint8Array) => void;

export interface WebServer extends AsyncDisposable {
  readonly url: string;
  /** Method and path of what was asked, in order. */
  readonly asked: string[];
  answer: Answer;
}

export async function startWebServer(answer: Answer): Promise<WebServer> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    asked.push(`${request.method} ${request.url}`);
    web.answer(request, response, Buffer.concat(chunks));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const web: WebServer = {
    url: `http://127.0.0.1:${port}`,
    asked,
    answer,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return web;
}

/** Sends `bytes`. */
export function sends(bytes: Uint8Array, type = "application/octet-stream"): Answer {
  return (_, response) => response.writeHead(200, { "Content-Type": type }).end(bytes);
}
