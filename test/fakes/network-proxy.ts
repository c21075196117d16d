/**
 * A small HTTP proxy on loopback that knows CONNECT, and a network that a test scripts.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { type Network, type NetworkAddress, systemNetwork } from "#src/host/network.ts";

export interface TestProxy extends AsyncDisposable {
  readonly port: number;
  /** Heads of all requests, in order. */
  readonly requests: string[];
}

/**
 * `answer` gets the request's head; `undefined` opens the tunnel, text is sent instead.
 *
 * @param names Addresses of names that only the proxy knows.
 */
export async function startProxy(
  answer: (head: string) => string | undefined,
  names: Readonly<Record<string, string>> = {},
): Promise<TestProxy> {
  const requests: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((client) => {
    open.add(client);
    client.on("error", () => client.destroy());
    client.once("data", (chunk) => {
      const head = String(chunk);
      requests.push(head);
      const text = answer(head);
      if (text !== undefined) {
        client.end(text);
        return;
      }
      const [, host = "", port = ""] = /^CONNECT (.*):(\d+) /.exec(head) ?? [];
      const upstream = connect(Number(port), names[host] ?? host.replace(/^\[|\]$/g, ""));
      open.add(upstream);
      upstream.on("error", () => client.destroy());
      upstream.once("connect", () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        client.pipe(upstream).pipe(client);
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

/** Names answered from a table; addresses that are black holes never connect and never fail. */
export class FakeNetwork implements Network {
  readonly names = new Map<string, readonly string[] | "hang" | Error>();
  readonly blackHoles = new Set<string>();
  /** Addresses tried, in order. */
  readonly tried: string[] = [];
  /** Every socket made, to see that none is left. */
  readonly sockets: Socket[] = [];
  questions = 0;

  lookup(host: string): Promise<readonly NetworkAddress[]> {
    this.questions += 1;
    const answer = this.names.get(host) ?? Object.assign(new Error(host), { code: "ENOTFOUND" });
    if (answer === "hang") return new Promise(() => undefined);
    if (answer instanceof Error) return Promise.reject(answer);
    return Promise.resolve(
      answer.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  }

  connect(address: NetworkAddress, port: number): Socket {
    this.tried.push(address.address);
    const socket = this.blackHoles.has(address.address)
      ? new Socket()
      : systemNetwork.connect(address, port);
    this.sockets.push(socket);
    return socket;
  }
}
