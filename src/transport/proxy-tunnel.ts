/**
 * A tunnel through an HTTP proxy by CONNECT (RFC 9110 section 9.3.6). TLS to the target then runs
 * inside it; go-micro speaks TLS to the proxy instead, which works with no usual proxy.
 */
import type { Socket } from "node:net";
import { AgentError } from "../base/errors.ts";
import type { ProxySettings } from "./proxy-settings.ts";

/** A proxy's answer longer than this is no answer to CONNECT. Bytes. */
const MAX_HEAD_BYTES = 16 * 1024;

/**
 * Asks for the tunnel on a connected socket and resolves when it stands.
 *
 * @throws AgentError `ERR_RPC_CONNECT` naming the proxy and its status; the signal's reason.
 */
export function openTunnel(
  socket: Socket,
  target: { readonly host: string; readonly port: number },
  proxy: ProxySettings,
  signal: AbortSignal,
): Promise<void> {
  const where = `${bracketed(target.host)}:${target.port}`;
  const name = `${bracketed(proxy.host)}:${proxy.port}`;
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const settle = (run: () => void): void => {
      socket.off("readable", onReadable);
      socket.off("error", onError);
      socket.off("end", onEnd);
      signal.removeEventListener("abort", onAbort);
      run();
    };
    const fail = (words: string): void =>
      settle(() => reject(new AgentError("ERR_RPC_CONNECT", `proxy ${name} ${words}`)));
    const onAbort = (): void => settle(() => reject(signal.reason));
    const onError = (): void => fail(`broke the connection before it opened a tunnel to ${where}`);
    const onEnd = (): void => fail(`hung up before it opened a tunnel to ${where}`);
    const onReadable = (): void => {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
        head = Buffer.concat([head, chunk]);
      }
      const end = head.indexOf("\r\n\r\n");
      if (end === -1) {
        if (head.length > MAX_HEAD_BYTES) fail("sent an answer that is not one to CONNECT");
        return;
      }
      const words = refusalWords(head.toString("latin1"), where, proxy);
      if (words !== undefined) {
        fail(words);
        return;
      }
      settle(() => {
        // A server that speaks first: nothing of it may be lost.
        if (head.length > end + 4) socket.unshift(head.subarray(end + 4));
        resolve();
      });
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("readable", onReadable);
    socket.on("error", onError);
    socket.on("end", onEnd);
    const authorization =
      proxy.authorization === undefined ? "" : `Proxy-Authorization: ${proxy.authorization}\r\n`;
    socket.write(`CONNECT ${where} HTTP/1.1\r\nHost: ${where}\r\n${authorization}\r\n`);
  });
}

/** Why the answer is no tunnel; `undefined` if it is one. */
function refusalWords(
  answer: string,
  where: string,
  { authorization }: ProxySettings,
): string | undefined {
  const [, status = "", reason = ""] = /^HTTP\/1\.[01] (\d{3}) ?([^\r\n]*)/.exec(answer) ?? [];
  if (status === "") return "does not speak HTTP";
  const isPage = /\r\ncontent-type: *text\/html/i.test(answer) || /\r\n\r\n\s*</.test(answer);
  if (status.startsWith("2")) {
    return isPage ? captivePortal(status) : undefined;
  }
  if (status === "407") {
    return authorization === undefined
      ? "demands credentials (407): put user and password into client.proxy, with a colon between and an @ before the host"
      : "does not take the credentials of the proxy URL (407): correct user and password";
  }
  if (status.startsWith("3") || status === "511") return captivePortal(status);
  return `refused a tunnel to ${where}: ${status} ${reason.replace(/[^\x20-\x7e]/g, "?").slice(0, 80)}`;
}

function captivePortal(status: string): string {
  return `answered with a web page or redirection (${status}): this looks like a captive portal; log in to the network first`;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
